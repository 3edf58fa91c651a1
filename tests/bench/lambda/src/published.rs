//! A published release in the AWS stub: read from a folder of releases, and returned in the format of DynamoDB and S3.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use bytes::Bytes;
use serde_json::{Value, json};

/// Name of the table whose rollout state names the release.
pub const ACTIVE: &str = "releases-active";
/// Name of the table without a rollout state, as before the first activation.
pub const EMPTY: &str = "releases-empty";
/// Name of the table with the hosts' reports.
pub const STATUS: &str = "releases-status";
/// Name of the release bucket.
pub const BUCKET: &str = "releases-bucket";

/// Response with no item.
const NOTHING: &[u8] = b"{}";
/// Response to an update. Hosts do not read its attributes.
const UPDATED: &[u8] = br#"{"Attributes":{}}"#;

/// Folder with the artifacts that Tidegate's host caches for later processes of the same environment.
const CACHE: &str = "/tmp/tidegate-artifacts";

/// Files of a published release.
#[derive(Debug, Clone)]
pub struct Published {
    pointer: Bytes,
    objects: BTreeMap<String, Bytes>,
    cached: Vec<PathBuf>,
}

impl Published {
    /// Reads a folder of releases with an active one.
    ///
    /// # Errors
    /// The folder does not exist, or has no rollout state.
    pub fn read(dir: &Path) -> Result<Self> {
        let pointer = fs::read_to_string(dir.join("pointer.json"));
        let pointer = pointer.with_context(|| format!("cannot read the pointer in `{}`", dir.display()))?;
        let mut objects = BTreeMap::new();
        let mut cached = Vec::new();
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

    /// Returns the response to an operation on a release table, and the name of the table.
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

    /// Returns an object of the bucket by the path of the request.
    #[must_use]
    pub fn object(&self, path: &str) -> Option<Bytes> {
        let key = path.strip_prefix('/')?.strip_prefix(BUCKET)?.strip_prefix('/')?;
        self.objects.get(key).cloned()
    }

    /// Removes the cached artifacts from this machine, so the next process starts as in a new environment.
    ///
    /// # Errors
    /// A file system operation fails.
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

/// Returns the response with a rollout state in Tidegate's format.
fn item(pointer: &str) -> Result<Value> {
    let read: Value = serde_json::from_str(pointer).context("the pointer is not JSON")?;
    let generation = read.get("generation").and_then(Value::as_u64);
    let generation = generation.ok_or_else(|| anyhow!("the pointer has no generation"))?;
    Ok(json!({ "Item": {
        "pk": { "S": "pointer" },
        "sk": { "S": "current" },
        "generation": { "N": generation.to_string() },
        "document": { "S": pointer },
    }}))
}

/// Returns true if a request names a table. Searches the text instead of parsing it, to keep the stub fast.
fn names(body: &[u8], table: &str) -> bool {
    body.windows(table.len()).any(|part| part == table.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_returned_in_the_form_of_aws() {
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
