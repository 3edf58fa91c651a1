//! A folder as the source of a release: `app.json`, and `components/NAME.cwasm` for each component.
//!
//! Whoever can write the folder is trusted as the host's own binary is.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{fs, io};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::app::App;
use crate::error::Error;
use crate::release::{Artifact, Release};

/// The app's file in a release's folder.
pub const APP_FILE: &str = "app.json";
/// The folder of the artifacts in a release's folder.
pub const COMPONENTS_DIR: &str = "components";
/// The extension of an artifact.
pub const ARTIFACT_EXTENSION: &str = "cwasm";

const REBUILD: &str = "`tidegate build` writes it anew";

/// Write a release into the folder `dir`, in place of what is there, and load it. `artifacts` are the compiled
/// components by name.
///
/// A reader of `dir` finds the whole old release or the whole new one: the new one is written beside it and takes its
/// place in one step, where the file system can exchange folders; elsewhere `dir` is missing for an instant.
///
/// # Errors
/// When the app does not hold, the artifacts are not those of its components, or the file system refuses; what was in
/// `dir` is then still there.
pub fn write<A: AsRef<[u8]>>(dir: &Path, app: &App, artifacts: &BTreeMap<String, A>) -> Result<Release, Error> {
    app.check(&dir.join(APP_FILE))?;
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
    for (name, artifact) in artifacts {
        write_file(&components.join(file_name(name)), artifact.as_ref())?;
    }
    replace(&dir, &new, temporary.path())?;
    load(&dir)
}

/// Load the release in the folder `dir`. A release that takes its place meanwhile may be loaded in part: load after
/// [`write()`] has returned.
///
/// # Errors
/// When there is none, its `app.json` does not hold, an artifact is missing, or a file does not belong.
pub fn load(dir: &Path) -> Result<Release, Error> {
    let dir = std::path::absolute(dir).map_err(Error::io("find", dir))?;
    let file = dir.join(APP_FILE);
    let json = fs::read(&file).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => Error::NotFound { path: file.clone(), hint: REBUILD.to_owned() },
        _ => Error::Io { attempted: "read", path: file.clone(), source },
    })?;
    let app = App::from_json(&file, &json)?;
    let components = dir.join(COMPONENTS_DIR);
    compare(&components, &app, &list(&components)?, REBUILD)?;
    let artifacts = app.components.iter().map(|name| (name.clone(), Artifact::File(components.join(file_name(name)))));
    let artifacts = artifacts.collect();
    Release::from_parts(app, &json, artifacts)
}

fn file_name(component: &str) -> OsString {
    format!("{component}.{ARTIFACT_EXTENSION}").into()
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    fs::write(path, bytes).map_err(Error::io("write", path))
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
