//! A published release, as the stub of AWS has it: read from a folder of releases, answered as DynamoDB and S3 do.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use bytes::Bytes;
use serde_json::{Value, json};

/// The table whose pointer names the release.
pub const ACTIVE: &str = "releases-active";
/// The table that has no pointer, as long as nothing was activated.
pub const EMPTY: &str = "releases-empty";
/// The table of what hosts report.
pub const STATUS: &str = "releases-status";
/// The bucket.
pub const BUCKET: &str = "releases-bucket";

/// That there is no such item.
const NOTHING: &[u8] = b"{}";
/// That an item was changed, for who does not look at what it is now.
const UPDATED: &[u8] = br#"{"Attributes":{}}"#;

/// Where Tidegate's host keeps artifacts for processes that start again in the same environment.
const CACHE: &str = "/tmp/tidegate-artifacts";

/// What is published.
#[derive(Debug, Clone)]
pub struct Published {
    pointer: Bytes,
    objects: BTreeMap<String, Bytes>,
    cached: Vec<PathBuf>,
}

impl Published {
    /// Reads a folder of releases, one of which is active.
    ///
    /// # Errors
    /// It is not there, or has no pointer.
    pub fn read(dir: &Path) -> Result<Self> {
        let pointer = fs::read_to_string(dir.join("pointer.json"));
        let pointer = pointer.with_context(|| format!("cannot read the pointer in `{}`", dir.display()))?;
        let (mut objects, mut cached) = (BTreeMap::new(), Vec::new());
        for (name, bytes) in files(&dir.join("releases"))? {
            objects.insert(format!("releases/{name}"), bytes);
        }
        for (name, bytes) in files(&dir.join("artifacts"))? {
            cached.push(Path::new(CACHE).join(&name));
            let digest = name.split('.').next().unwrap_or_default();
            objects.insert(format!("artifacts/{digest}"), bytes);
        }
        Ok(Self { pointer: item(&pointer)?.to_string().into(), objects, cached })
    }

    /// The answer to an operation on one of the tables of releases, and the table.
    #[must_use]
    pub fn operation(&self, operation: &str, body: &[u8]) -> Option<(&'static str, Bytes)> {
        let table = [ACTIVE, EMPTY, STATUS].into_iter().find(|table| names(body, table))?;
        let answer = match (operation, table) {
            ("GetItem", ACTIVE) => self.pointer.clone(),
            ("UpdateItem", _) => Bytes::from_static(UPDATED),
            _ => Bytes::from_static(NOTHING),
        };
        Some((table, answer))
    }

    /// An object of the bucket, by the path of the request for it.
    #[must_use]
    pub fn object(&self, path: &str) -> Option<Bytes> {
        let key = path.strip_prefix('/')?.strip_prefix(BUCKET)?.strip_prefix('/')?;
        self.objects.get(key).cloned()
    }

    /// Lets the next process find nothing of it on this machine, as in a new environment.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn forget(&self) -> Result<()> {
        for path in &self.cached {
            match fs::remove_file(path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("cannot remove `{}`", path.display()));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn files(dir: &Path) -> Result<Vec<(String, Bytes)>> {
    let context = || format!("cannot read the folder `{}`", dir.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).with_context(context)? {
        let entry = entry.with_context(context)?;
        let bytes = fs::read(entry.path()).with_context(context)?;
        files.push((entry.file_name().to_string_lossy().into_owned(), bytes.into()));
    }
    Ok(files)
}

/// The answer with a pointer, as Tidegate writes it.
fn item(pointer: &str) -> Result<Value> {
    let read: Value = serde_json::from_str(pointer).context("the pointer is no JSON")?;
    let generation = read.get("generation").and_then(Value::as_u64);
    let generation = generation.ok_or_else(|| anyhow!("the pointer has no generation"))?;
    Ok(json!({ "Item": {
        "pk": { "S": "pointer" },
        "sk": { "S": "current" },
        "generation": { "N": generation.to_string() },
        "document": { "S": pointer },
    }}))
}

/// Whether a request names a table. That it is looked for, and not read, keeps the stub's own time short.
fn names(body: &[u8], table: &str) -> bool {
    body.windows(table.len()).any(|part| part == table.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_releases_is_answered_as_aws_does() {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["releases", "artifacts"] {
            fs::create_dir(dir.path().join(folder)).unwrap();
        }
        fs::write(dir.path().join("releases/0123456789abcdef.json"), "envelope").unwrap();
        fs::write(dir.path().join("artifacts/ab12.cwasm"), "code").unwrap();
        assert!(Published::read(dir.path()).is_err(), "there is no pointer");
        fs::write(dir.path().join("pointer.json"), r#"{"generation":7,"active":"0123456789abcdef"}"#).unwrap();
        let published = Published::read(dir.path()).unwrap();

        let of =
            |operation, table: &str| published.operation(operation, format!(r#"{{"TableName":"{table}"}}"#).as_bytes());
        let (table, answer) = of("GetItem", ACTIVE).unwrap();
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!((table, &answer["Item"]["generation"]["N"]), (ACTIVE, &json!("7")));
        assert_eq!(of("GetItem", EMPTY), Some((EMPTY, Bytes::from_static(NOTHING))));
        assert_eq!(of("UpdateItem", STATUS), Some((STATUS, Bytes::from_static(UPDATED))));
        assert_eq!(of("GetItem", "connections"), None);

        let object = |key| published.object(&format!("/{BUCKET}/{key}"));
        assert_eq!(object("artifacts/ab12"), Some(Bytes::from_static(b"code")));
        assert_eq!(object("releases/0123456789abcdef.json"), Some(Bytes::from_static(b"envelope")));
        assert_eq!((object("artifacts/cd34"), published.object("/elsewhere/artifacts/ab12")), (None, None));
    }
}
