//! The file that tells `tidegate env` about a running `tidegate dev`.
//!
//! The file contains the keys of the run, so only the user can read it. It is locked while the process lives, so a file
//! that a killed process has left, or that came with a checkout, is recognised.

use std::fs::File;
use std::io;
use std::path::Path;

use aws_credential_types::Credentials;
use serde::{Deserialize, Serialize};
use tidegate_diagnostic::{Code, Diagnose as _};

use crate::dev::api::REGION;
use crate::private::{self, PrivateFolder};
use crate::ui::error::Result;

/// The beginning and the end of the name of a file. Between them is the process id.
const BEFORE_ID: &str = "dev-";
const AFTER_ID: &str = ".json";

/// A running `tidegate dev`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Run {
    /// The port of the gateway.
    pub(crate) port: u16,
    /// The URL of `@connections`, without that segment.
    pub(crate) url: String,
    /// The Region in the scope of signatures.
    pub(crate) region: String,
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
}

/// The file of this process. Dropping it removes the file.
pub(crate) struct RunFile {
    folder: PrivateFolder,
    name: String,
    /// The file is locked as long as this is open.
    _file: File,
}

impl RunFile {
    /// Writes the file of this process.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn write(state_dir: &Path, port: u16, url: String, keys: &Credentials) -> Result<Self> {
        let run = Run {
            port,
            url,
            region: REGION.to_owned(),
            access_key_id: keys.access_key_id().to_owned(),
            secret_access_key: keys.secret_access_key().to_owned(),
        };
        let folder = PrivateFolder::create(state_dir)?;
        remove_ended(&folder);
        let name = format!("{BEFORE_ID}{}{AFTER_ID}", std::process::id());
        let what = || format!("cannot write `{}`", folder.path(&name).display());
        let json = serde_json::to_string(&run).diagnose(Code::FileWrite, what)?;
        let file = folder.create_locked(&name, &json).diagnose(Code::FileWrite, what)?;
        Ok(Self { folder, name, _file: file })
    }
}

impl Drop for RunFile {
    fn drop(&mut self) {
        // If the file stays, it is no longer locked.
        let _ = self.folder.remove(&self.name);
    }
}

/// Returns the running processes of an app.
///
/// # Errors
/// The folder of their files cannot be read.
pub(crate) fn running(state_dir: &Path) -> Result<Vec<Run>> {
    let Some(folder) = PrivateFolder::open(state_dir)? else { return Ok(Vec::new()) };
    let what = || format!("cannot read the folder `{}`", folder.path("").display());
    let names = names(&folder).diagnose(Code::FileRead, what)?;
    Ok(names.iter().filter_map(|name| read_locked(&folder, name)).collect())
}

fn names(folder: &PrivateFolder) -> io::Result<Vec<String>> {
    let is_run = |name: &String| name.starts_with(BEFORE_ID) && name.ends_with(AFTER_ID);
    Ok(folder.names()?.into_iter().filter(is_run).collect())
}

/// Reads the file of a process, if the process lives.
fn read_locked(folder: &PrivateFolder, name: &str) -> Option<Run> {
    let file = folder.file(name).ok()?;
    match file.try_lock_shared() {
        Ok(()) => None,
        Err(_) => serde_json::from_str(&private::read(&file).ok()?).ok(),
    }
}

/// Removes the files of processes that were killed. Failures do not matter: the files are not locked.
fn remove_ended(folder: &PrivateFolder) {
    for name in names(folder).unwrap_or_default() {
        if folder.file(&name).is_ok_and(|file| file.try_lock_shared().is_ok()) {
            let _ = folder.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_processes_that_live_are_found() {
        let state = tempfile::tempdir().unwrap();
        assert_eq!(running(state.path()).unwrap(), []);
        let keys = Credentials::new("AKIA", "secret", None, None, "test");
        let folder = PrivateFolder::create(state.path()).unwrap();
        // A file of a killed process, or one that came with a checkout, and a file of another kind.
        let left = r#"{"port":1,"url":"http://evil.example","region":"r","access-key-id":"a","secret-access-key":"s"}"#;
        std::fs::write(folder.path("dev-1.json"), left).unwrap();
        std::fs::write(folder.path("dev-2.json"), "").unwrap();
        std::fs::write(folder.path("jwt-secret"), "secret").unwrap();
        assert_eq!(running(state.path()).unwrap(), []);
        let file = RunFile::write(state.path(), 3000, "http://127.0.0.1:3000/dev".to_owned(), &keys).unwrap();
        let found = running(state.path()).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].port, found[0].secret_access_key.as_str()), (3000, "secret"));
        assert_eq!(folder.names().unwrap().len(), 2, "the files of killed processes are removed");
        drop(file);
        assert_eq!(running(state.path()).unwrap(), []);
        assert_eq!(folder.names().unwrap(), ["jwt-secret"]);
    }
}
