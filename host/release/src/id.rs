//! The id of a release: a content address.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use tidegate_diagnostic::{Code, Diagnostic};

use crate::digest::{Digest, from_hex};
use tidegate_app::App;

/// The content address of a release: the first 16 hexadecimal digits of the SHA-256 over its app, the digests of its
/// components, and the engine that they are compiled for.
///
/// The same sources have the same id, whatever the CPU and the time of the build. The signed
/// [`ReleaseManifest`](crate::ReleaseManifest) has the digests of the artifacts. A clone is cheap.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ReleaseId(Arc<str>);

/// A text that is not the id of a release.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a release id: expected 16 hexadecimal digits in lower case")]
pub struct ReleaseIdError(String);

/// The hashed content of an id.
#[derive(Serialize)]
struct IdContent<'a> {
    app: &'a App,
    components: BTreeMap<&'a str, Digest>,
    engine: &'a str,
}

impl ReleaseId {
    /// Returns the 16 hexadecimal digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Computes the id from the app, the name and digest of each component, and the engine.
    #[must_use]
    pub fn of<'a>(app: &App, components: impl IntoIterator<Item = (&'a str, Digest)>, engine: &str) -> Self {
        let content = IdContent { app, components: components.into_iter().collect(), engine };
        // Serialization cannot fail: every key is text and every value has a JSON form.
        let digest = Digest::of(&serde_json::to_vec(&content).unwrap_or_default());
        // Eight bytes distinguish the releases of one app and fit into a log line.
        Self(hex::encode(digest.as_bytes().split_at(8).0).into())
    }
}

impl TryFrom<String> for ReleaseId {
    type Error = ReleaseIdError;

    fn try_from(text: String) -> Result<Self, ReleaseIdError> {
        match from_hex::<8>(&text) {
            Some(_) => Ok(Self(text.into())),
            None => Err(ReleaseIdError(text)),
        }
    }
}

impl std::str::FromStr for ReleaseId {
    type Err = ReleaseIdError;

    fn from_str(text: &str) -> Result<Self, ReleaseIdError> {
        text.to_owned().try_into()
    }
}

impl From<ReleaseId> for String {
    fn from(id: ReleaseId) -> Self {
        id.0.as_ref().to_owned()
    }
}

impl From<ReleaseIdError> for Diagnostic {
    fn from(error: ReleaseIdError) -> Self {
        let what = format!("invalid release id `{}`", error.0);
        Self::new(Code::ReleaseIdInvalid, what, "expected 16 hexadecimal digits in lower case")
    }
}

impl fmt::Display for ReleaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
