//! A release folder: `app.json`, `release-id`, and `components/NAME.cwasm` for each component.
//!
//! The folder is trusted like the host's binary. The release id is not verified, because the folder does not contain
//! the components that the id is computed from.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use tidegate_files::{Links, private};

use crate::artifact::{Artifact, Release};
use crate::error::Error;
use crate::id::ReleaseId;
use tidegate_app::App;

/// The name of the app's file in a release folder.
pub const APP_FILE: &str = "app.json";
/// The name of the file with the release id in a release folder.
pub const ID_FILE: &str = "release-id";
/// The name of the file with the trusted keys, as JSON, in a package. It is next to the files of the release.
pub const KEYS_FILE: &str = "trusted-keys.json";
/// The name of the folder of artifacts in a release folder.
pub const COMPONENTS_DIR: &str = "components";
/// The file extension of an artifact.
pub const ARTIFACT_EXTENSION: &str = "cwasm";

/// The maximum size of `app.json` and of the file with the release id. A signed release is not larger either.
const MAX_FILE_BYTES: u64 = 1 << 20;
const REBUILD: &str = "run `tidegate build`, which writes the folder";

/// Writes the release `id` into the folder `dir`, replacing its content, and loads it. `artifacts` are the compiled
/// components by name.
///
/// A reader of `dir` finds the complete old release or the complete new one. The new folder is written and synced under
/// a temporary name and then exchanged with `dir` atomically. On file systems that cannot exchange folders, `dir` is
/// missing for an instant. A crash leaves at worst a folder `.tidegate-*` next to `dir`.
///
/// # Errors
/// If the app is invalid, the artifacts are not those of its components, or the file system fails. The content of `dir`
/// is then unchanged.
pub fn write<A: AsRef<[u8]>>(
    dir: &Path,
    id: &ReleaseId,
    app: &App,
    artifacts: &BTreeMap<String, A>,
) -> Result<Release, Error> {
    app.validate(&dir.join(APP_FILE))?;
    let names = artifacts.keys().map(|name| file_name(name)).collect();
    compare(&dir.join(COMPONENTS_DIR), app, &names, "build the component")?;
    let dir = std::path::absolute(dir).map_err(Error::io("find", dir))?;
    let parent = dir.parent().unwrap_or(&dir);
    private::create_folder(parent).map_err(Error::io("create", parent))?;
    let temporary = tempfile::Builder::new().prefix(".tidegate-").tempdir_in(parent);
    let temporary = temporary.map_err(Error::io("create a folder in", parent))?;
    // Nobody else may write to the folder, because hosts run what is in it.
    let new = temporary.path().join("release");
    let components = new.join(COMPONENTS_DIR);
    private::create_folder(&components).map_err(Error::io("create", &components))?;
    write_file(&new.join(APP_FILE), app.to_json().as_bytes())?;
    write_file(&new.join(ID_FILE), format!("{id}\n").as_bytes())?;
    for (name, artifact) in artifacts {
        write_file(&components.join(file_name(name)), artifact.as_ref())?;
    }
    sync(&components)?;
    sync(&new)?;
    replace(&dir, &new, temporary.path())?;
    sync(parent)?;
    load(&dir)
}

/// Loads the release in the folder `dir`. If another process [writes](write()) to the folder at the same time, the
/// release is loaded again, so the result is the complete old release or the complete new one.
///
/// The release refers to its artifacts by path. The files are read later and may have changed then.
///
/// # Errors
/// If the folder does not exist, `app.json` is invalid, an artifact is missing, or a file does not belong to the
/// release.
pub fn load(dir: &Path) -> Result<Release, Error> {
    let dir = std::path::absolute(dir).map_err(Error::io("find", dir))?;
    loop {
        // The folder is held open so that its inode number is not reused.
        let held = File::open(&dir).and_then(|folder| folder.metadata().map(|of| (folder, of)));
        let release = read(&dir);
        match (held, fs::metadata(&dir)) {
            (Ok((_folder, before)), Ok(after)) if (before.dev(), before.ino()) != (after.dev(), after.ino()) => {}
            _ => return release,
        }
    }
}

fn read(dir: &Path) -> Result<Release, Error> {
    let file = dir.join(APP_FILE);
    let app = App::from_json(&file, &read_file(dir, &file)?)?;
    let components = dir.join(COMPONENTS_DIR);
    if components.is_symlink() {
        let problem = "is a symbolic link";
        return Err(Error::Artifact { path: components, problem, hint: REBUILD.to_owned() });
    }
    compare(&components, &app, &list(&components)?, REBUILD)?;
    let artifacts = app.components.iter().map(|name| (name.clone(), Artifact::File(components.join(file_name(name)))));
    let artifacts = artifacts.collect();
    Ok(Release { id: read_id(dir)?, declared_app: app.clone(), app, artifacts })
}

fn read_id(dir: &Path) -> Result<ReleaseId, Error> {
    let path = dir.join(ID_FILE);
    let bytes = read_file(dir, &path)?;
    let id = std::str::from_utf8(&bytes).ok().and_then(|text| text.trim_end().parse().ok());
    id.ok_or_else(|| Error::Artifact { path, problem: "is not a release id", hint: REBUILD.to_owned() })
}

fn read_file(dir: &Path, path: &Path) -> Result<Vec<u8>, Error> {
    tidegate_files::read(path, MAX_FILE_BYTES, Links::RefuseBelow(dir)).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => Error::NotFound { path: path.to_owned(), hint: REBUILD.to_owned() },
        _ => Error::Io { attempted: "read", path: path.to_owned(), source },
    })
}

fn file_name(component: &str) -> OsString {
    format!("{component}.{ARTIFACT_EXTENSION}").into()
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let write = || {
        let mut file = File::options().write(true).create_new(true).mode(private::FILE_MODE).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(Error::io("write", path))
}

/// Syncs the entries of a folder to the disk.
fn sync(dir: &Path) -> Result<(), Error> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(Error::io("sync", dir))
}

fn list(components: &Path) -> Result<BTreeSet<OsString>, Error> {
    let entries = match fs::read_dir(components) {
        Ok(entries) => entries,
        // The caller reports the first artifact as missing.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => return Err(Error::io("list", components)(error)),
    };
    entries.map(|entry| Ok(entry.map_err(Error::io("list", components))?.file_name())).collect()
}

fn compare(components: &Path, app: &App, found: &BTreeSet<OsString>, hint: &str) -> Result<(), Error> {
    let wanted: BTreeSet<OsString> = app.components.iter().map(|name| file_name(name)).collect();
    if let Some(missing) = wanted.difference(found).next() {
        return Err(Error::NotFound { path: components.join(missing), hint: hint.to_owned() });
    }
    match found.difference(&wanted).next() {
        Some(extra) => Err(Error::Artifact {
            path: components.join(extra),
            problem: "does not belong to a component of the app",
            hint: "remove the file".to_owned(),
        }),
        None => Ok(()),
    }
}

/// Replaces the folder `dir` with `new`. The old folder ends up in `temporary`, which the caller removes.
fn replace(dir: &Path, new: &Path, temporary: &Path) -> Result<(), Error> {
    let failed = |source: io::Error| Error::Io { attempted: "replace", path: dir.to_owned(), source };
    if !dir.try_exists().map_err(failed)? {
        return fs::rename(new, dir).map_err(failed);
    }
    if renameat_with(CWD, new, CWD, dir, RenameFlags::EXCHANGE).is_ok() {
        return Ok(());
    }
    let old: PathBuf = temporary.join("old");
    fs::rename(dir, &old).map_err(failed)?;
    fs::rename(new, dir).map_err(|error| match fs::rename(&old, dir) {
        Ok(()) => failed(error),
        Err(lost) => failed(lost),
    })
}
