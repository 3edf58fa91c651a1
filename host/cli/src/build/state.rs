//! The folder for everything that Tidegate writes for an app: `.tidegate` in the app's folder.
//!
//! The app's folder may come from others, for example from a repository. Without these checks, a committed link would
//! make Tidegate write to, or remove, files anywhere.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tidegate_app::Manifest;
use tidegate_diagnostic::{Code, Diagnose as _, Diagnostic};
use tidegate_files::{Refused, private};

use crate::ui::error::Result;

/// The name of the folder.
const DIR: &str = ".tidegate";
/// The cache of an earlier version, whose entries were not authenticated.
const OLD_CACHE: &str = "cache";
/// The permissions of other users to change a folder.
const OTHERS_WRITE: u32 = 0o022;

/// Returns the path of the folder.
pub(crate) fn path(manifest: &Manifest) -> PathBuf {
    path_in(&manifest.dir)
}

/// Returns the path of the folder of the app in a folder.
pub(crate) fn path_in(app: &Path) -> PathBuf {
    app.join(DIR)
}

/// Creates the folder, or checks the existing one: it is a real folder of the app's owner that nobody else can change,
/// and has no links.
///
/// # Errors
/// The folder cannot be created, or is not safe.
pub(crate) fn prepare(manifest: &Manifest) -> Result<PathBuf> {
    let dir = path(manifest);
    let what = || format!("cannot use the folder `{}`", dir.display());
    // A link that leads nowhere is reported as a link.
    if !dir.is_symlink() {
        private::create_folder(&dir).diagnose(Code::FileCreate, || format!("cannot create `{}`", dir.display()))?;
    }
    check(&dir, &manifest.dir)
        .diagnose(Code::StateFolderUnsafe, what)
        .map_err(|error| error.hint(format!("remove `{}`, and start the command again", dir.display())))?;
    for entry in fs::read_dir(&dir).diagnose(Code::FileRead, what)? {
        let path = entry.diagnose(Code::FileRead, what)?.path();
        if path.is_symlink() {
            let what = format!("cannot use `{}`", path.display());
            return Err(Diagnostic::new(Code::StateFolderUnsafe, what, Refused::Link.to_string())
                .hint("remove the link; `--data` and `--store` name other folders"));
        }
    }
    // The files only take disk space.
    let _ = fs::remove_dir_all(dir.join(OLD_CACHE));
    Ok(dir)
}

fn check(dir: &Path, app: &Path) -> std::io::Result<()> {
    let found = fs::symlink_metadata(dir)?;
    if found.is_symlink() {
        return Err(Refused::Link.into());
    }
    // The owner of the app's folder decides what is built, so that user is trusted here too.
    let owner = fs::metadata(app)?.uid();
    let user = rustix::process::geteuid().as_raw();
    if found.uid() != user && found.uid() != owner {
        return Err(Refused::OtherOwner(found.uid()).into());
    }
    let mode = found.permissions().mode();
    if mode & OTHERS_WRITE != 0 {
        fs::set_permissions(dir, Permissions::from_mode(mode & !OTHERS_WRITE))?;
    }
    Ok(())
}
