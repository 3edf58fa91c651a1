//! A folder as the source of a release: `app.json`, `release-id`, and `components/NAME.cwasm` for each component.
//!
//! Whoever can write the folder is trusted as the host's own binary is, so its id is believed: the components that it is
//! made from are not there.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::artifact::{Artifact, Release};
use crate::error::Error;
use crate::id::ReleaseId;
use tidegate_app::App;

/// The app's file in a release's folder.
pub const APP_FILE: &str = "app.json";
/// The release's id, in a line, in a release's folder.
pub const ID_FILE: &str = "release-id";
/// The keys that hosts trust, as JSON, in a package beside its release's files.
pub const KEYS_FILE: &str = "trusted-keys.json";
/// The folder of the artifacts in a release's folder.
pub const COMPONENTS_DIR: &str = "components";
/// The extension of an artifact.
pub const ARTIFACT_EXTENSION: &str = "cwasm";

const REBUILD: &str = "`tidegate build` writes it anew";

/// Write the release `id` into the folder `dir`, in place of what is there, and load it. `artifacts` are the compiled
/// components by name.
///
/// A reader of `dir` finds the whole old release or the whole new one: the new one is written beside it and takes its
/// place in one step, where the file system can exchange folders; elsewhere `dir` is missing for an instant. It is on the
/// disk before it takes its place, so that a crash leaves no half of it, at worst a folder `.tidegate-*` beside it.
///
/// # Errors
/// When the app does not hold, the artifacts are not those of its components, or the file system refuses; what was in
/// `dir` is then still there.
pub fn write<A: AsRef<[u8]>>(
    dir: &Path,
    id: &ReleaseId,
    app: &App,
    artifacts: &BTreeMap<String, A>,
) -> Result<Release, Error> {
    app.validate(&dir.join(APP_FILE))?;
    let names = artifacts.keys().map(|name| file_name(name)).collect();
    compare(&dir.join(COMPONENTS_DIR), app, &names, "build this component")?;
    let dir = std::path::absolute(dir).map_err(Error::io("find", dir))?;
    let parent = dir.parent().unwrap_or(&dir);
    fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
    let temporary = tempfile::Builder::new().prefix(".tidegate-").tempdir_in(parent);
    let temporary = temporary.map_err(Error::io("create a folder in", parent))?;
    // The temporary folder is its maker's alone; the release in it has the usual permissions.
    let new = temporary.path().join("release");
    let components = new.join(COMPONENTS_DIR);
    fs::create_dir_all(&components).map_err(Error::io("create", &components))?;
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

/// Load the release in the folder `dir`. When another process [writes](write()) one there meanwhile, it is loaded anew,
/// so that it is the whole old one or the whole new one.
///
/// The release names its artifacts by their paths. Whoever loads those files later finds what is there by then.
///
/// # Errors
/// When there is none, its `app.json` does not hold, an artifact is missing, or a file does not belong.
pub fn load(dir: &Path) -> Result<Release, Error> {
    let dir = std::path::absolute(dir).map_err(Error::io("find", dir))?;
    loop {
        // While the folder is held open, no other is given its number.
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
    let app = App::from_json(&file, &read_file(&file)?)?;
    let components = dir.join(COMPONENTS_DIR);
    compare(&components, &app, &list(&components)?, REBUILD)?;
    let artifacts = app.components.iter().map(|name| (name.clone(), Artifact::File(components.join(file_name(name)))));
    let artifacts = artifacts.collect();
    Ok(Release { id: read_id(dir)?, declared_app: app.clone(), app, artifacts })
}

fn read_id(dir: &Path) -> Result<ReleaseId, Error> {
    let path = dir.join(ID_FILE);
    let bytes = read_file(&path)?;
    let id = std::str::from_utf8(&bytes).ok().and_then(|text| text.trim_end().parse().ok());
    id.ok_or_else(|| Error::Artifact { path, problem: "is no release's id", hint: Some(REBUILD.to_owned()) })
}

fn read_file(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => Error::NotFound { path: path.to_owned(), hint: REBUILD.to_owned() },
        _ => Error::Io { attempted: "read", path: path.to_owned(), source },
    })
}

fn file_name(component: &str) -> OsString {
    format!("{component}.{ARTIFACT_EXTENSION}").into()
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let write = || {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(Error::io("write", path))
}

/// Waits until the names in a folder are on the disk.
fn sync(dir: &Path) -> Result<(), Error> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(Error::io("sync", dir))
}

fn list(components: &Path) -> Result<BTreeSet<OsString>, Error> {
    let entries = match fs::read_dir(components) {
        Ok(entries) => entries,
        // The first artifact is then what is missing.
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
            problem: "belongs to no component of the app",
            hint: Some("remove it".to_owned()),
        }),
        None => Ok(()),
    }
}

/// Puts `new` in the place of `dir`. What was there ends up in `temporary`, which its owner removes.
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
