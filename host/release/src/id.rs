//! The id of a release: an address made of its content.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::digest::{Digest, from_hex, hex};
use tidegate_app::App;

/// The content address of a release: the first 16 hexadecimal digits of the SHA-256 over its app, the digests of its
/// components, and the engine that they are compiled for.
///
/// The same sources make the same release, whatever CPU they are compiled for and whenever that is. The bytes that a host
/// loads of a published release are named in its signed [`ReleaseManifest`](crate::ReleaseManifest). A clone is cheap: each event has one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ReleaseId(Arc<str>);

/// A text that is no release's id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no release's id: 16 hexadecimal digits in lower case")]
pub struct ReleaseIdError(String);

/// What an id is made of.
#[derive(Serialize)]
struct IdContent<'a> {
    app: &'a App,
    components: BTreeMap<&'a str, Digest>,
    engine: &'a str,
}

impl ReleaseId {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id of a release: its app, each component's name and digest, and the engine.
    #[must_use]
    pub fn of<'a>(app: &App, components: impl IntoIterator<Item = (&'a str, Digest)>, engine: &str) -> Self {
        let content = IdContent { app, components: components.into_iter().collect(), engine };
        // Every key is text and every value has a JSON form, so this cannot fail.
        let digest = Digest::of(&serde_json::to_vec(&content).unwrap_or_default());
        // Eight bytes tell the releases of one app apart, and fit in a line of a log.
        Self(hex(digest.as_bytes().split_at(8).0).into())
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

impl fmt::Display for ReleaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
