//! Public keys of the manifest: the `[keys.NAME]` tables.
//!
//! A public key is the base64 of its SubjectPublicKeyInfo (RFC 8410, section 4): the line between the markers that
//! `openssl pkey -pubout` prints.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

/// The DER bytes before the 32 bytes of an ed25519 key in its SubjectPublicKeyInfo (RFC 8410, section 4).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// A text that is not an ed25519 public key. The error describes the form of the text and never quotes it, because the
/// text may be a private key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{found} is not an ed25519 public key: expected the base64 of its SubjectPublicKeyInfo, as `tidegate keys new` \
     prints it"
)]
pub struct PublicKeyError {
    /// A description of the text.
    pub found: &'static str,
}

/// An ed25519 public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey([u8; 32]);

/// A `[keys.NAME]` table of the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a table")]
pub struct Key {
    /// An ed25519 public key: the base64 of its SubjectPublicKeyInfo, as `tidegate keys new` prints it.
    pub public_key: PublicKey,
    /// The stages whose hosts run releases that this key has signed.
    #[serde(default)]
    pub stages: BTreeSet<String>,
    /// True if no stage trusts the key any longer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub revoked: bool,
}

/// The keys of an app, by name; the text of `trusted-keys.json` in a package.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Keys(pub BTreeMap<String, Key>);

impl PublicKey {
    /// Creates a key from its 32 bytes (RFC 8032, section 5.1.5).
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the 32 bytes of the key.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the DER encoding of its SubjectPublicKeyInfo, 44 bytes.
    #[must_use]
    pub fn spki(&self) -> Vec<u8> {
        [SPKI_PREFIX.as_slice(), &self.0].concat()
    }
}

impl FromStr for PublicKey {
    type Err = PublicKeyError;

    fn from_str(text: &str) -> Result<Self, PublicKeyError> {
        let bytes = BASE64.decode(text).ok();
        let key = bytes.as_deref().and_then(|bytes| bytes.strip_prefix(SPKI_PREFIX.as_slice()));
        key.and_then(|key| key.try_into().ok()).map(Self).ok_or_else(|| PublicKeyError { found: describe(text) })
    }
}

/// Describes the form of a text that is not a public key.
fn describe(text: &str) -> &'static str {
    let decoded = BASE64.decode(text.trim()).unwrap_or_default();
    let is_private = |bytes: &[u8]| bytes.starts_with(b"-----BEGIN") || decoded_private(bytes);
    match text {
        "" => "an empty text",
        _ if text.contains("PRIVATE KEY") || is_private(&decoded) => "a private key, which belongs in no manifest,",
        _ if text.contains("-----BEGIN") => "a PEM file",
        _ if decoded.is_empty() => "a text that is not base64",
        _ => "another value",
    }
}

/// Returns true if the bytes begin like a private key in PKCS#8: a sequence whose first element is a version.
fn decoded_private(bytes: &[u8]) -> bool {
    let long = |length: u8| usize::from(length & 0x7f) * usize::from(length > 0x80);
    match bytes {
        [0x30, length, rest @ ..] => rest.get(long(*length)..).is_some_and(|rest| rest.starts_with(&[0x02, 0x01])),
        _ => false,
    }
}

impl TryFrom<String> for PublicKey {
    type Error = PublicKeyError;

    fn try_from(text: String) -> Result<Self, PublicKeyError> {
        text.parse()
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        key.to_string()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64.encode(self.spki()))
    }
}
