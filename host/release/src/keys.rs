//! ed25519 keys: those that sign releases, and those that a stage trusts.
//!
//! A private key is a PKCS#8 file in PEM (RFC 8410), as `openssl genpkey -algorithm ed25519` writes one. A public key is
//! the base64 of its SubjectPublicKeyInfo: the line between the markers of `openssl pkey -pubout`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use crate::digest::{Digest, from_hex, hex};

/// The marker of a private key's PEM file.
const PEM_TAG: &str = "PRIVATE KEY";
/// What stands before the 32 bytes of a private key in PKCS#8, version 1 (RFC 8410, section 7).
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
/// What stands before the 32 bytes of a public key in its SubjectPublicKeyInfo (RFC 8410, section 4).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Why a key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The text is no public key.
    #[error(
        "`{0}` is no ed25519 public key; hint: `tidegate keys new` prints one, and `openssl pkey -pubout` does, without its markers"
    )]
    Public(String),
    /// The file is no private key.
    #[error("the file is no ed25519 private key in PEM; hint: `tidegate keys new` writes one")]
    Private,
    /// The system gave no random bytes.
    #[error("the system gives no random bytes")]
    Random,
}

/// How signatures name a key: the first 16 hexadecimal digits of the SHA-256 of its SubjectPublicKeyInfo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId([u8; 8]);

/// A public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey([u8; 32]);

/// A private key, with its public key.
pub struct SigningKey {
    seed: [u8; 32],
    pair: Ed25519KeyPair,
}

/// A key of the manifest: `[keys.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a table")]
pub struct Key {
    /// The public key.
    pub public_key: PublicKey,
    /// The stages whose hosts run what it signed.
    #[serde(default)]
    pub stages: BTreeSet<String>,
    /// Whether it must not be trusted any more, in whatever stage.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub revoked: bool,
}

/// Every key that an app knows, by name: the text of `trusted-keys.json` in a package.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Keys(pub BTreeMap<String, Key>);

/// What one stage trusts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedKeys {
    /// The stage's name, for errors.
    stage: String,
    trusted: BTreeMap<KeyId, (String, PublicKey)>,
    /// Names of the keys that were revoked.
    revoked: BTreeMap<KeyId, String>,
}

/// Whether a key may be believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trust<'a> {
    Trusted { name: &'a str, key: &'a PublicKey },
    Revoked(&'a str),
    Unknown,
}

impl Keys {
    /// What the stage of this name trusts: the keys that name it and are not revoked.
    #[must_use]
    pub fn of_stage(&self, stage: &str) -> TrustedKeys {
        let mut keys = TrustedKeys { stage: stage.to_owned(), ..TrustedKeys::default() };
        for (name, key) in &self.0 {
            if key.revoked {
                keys.revoked.insert(key.public_key.id(), name.clone());
            } else if key.stages.contains(stage) {
                keys.trusted.insert(key.public_key.id(), (name.clone(), key.public_key));
            }
        }
        keys
    }
}

impl TrustedKeys {
    /// The stage's name.
    #[must_use]
    pub fn stage(&self) -> &str {
        &self.stage
    }

    /// Whether no key is trusted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.trusted.is_empty()
    }

    pub(crate) fn find(&self, id: KeyId) -> Trust<'_> {
        // A key that is in the table twice, once revoked, is revoked.
        if let Some(name) = self.revoked.get(&id) {
            return Trust::Revoked(name);
        }
        self.trusted.get(&id).map_or(Trust::Unknown, |(name, key)| Trust::Trusted { name, key })
    }
}

impl PublicKey {
    /// How signatures name it.
    #[must_use]
    pub fn id(&self) -> KeyId {
        let digest = Digest::of(&self.spki());
        let mut id = [0; 8];
        id.copy_from_slice(digest.as_bytes().split_at(8).0);
        KeyId(id)
    }

    /// Whether `signature` is this key's over `message`.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(message, signature).is_ok()
    }

    fn spki(&self) -> Vec<u8> {
        [SPKI_PREFIX.as_slice(), &self.0].concat()
    }
}

impl SigningKey {
    /// Makes a key from the system's random bytes.
    ///
    /// # Errors
    /// [`KeyError::Random`] when it gives none.
    pub fn generate() -> Result<Self, KeyError> {
        let mut seed = [0; 32];
        SystemRandom::new().fill(&mut seed).map_err(|_| KeyError::Random)?;
        Self::of(seed)
    }

    /// The key in the text of a PEM file.
    ///
    /// # Errors
    /// [`KeyError::Private`] when it is none.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let pem = pem::parse(text).map_err(|_| KeyError::Private)?;
        // Version 2 of PKCS#8 has the public key behind the private one.
        let private = pem.contents().strip_prefix(PKCS8_PREFIX.as_slice());
        let v2 = || pem.contents().get(PKCS8_PREFIX.len()..).filter(|_| is_version_2(pem.contents()));
        let seed = private.or_else(v2).and_then(|rest| rest.get(..32)).filter(|_| pem.tag() == PEM_TAG);
        Self::of(seed.and_then(|seed| seed.try_into().ok()).ok_or(KeyError::Private)?)
    }

    /// The text of its PEM file.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let contents = [PKCS8_PREFIX.as_slice(), &self.seed].concat();
        pem::encode_config(
            &pem::Pem::new(PEM_TAG, contents),
            pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF),
        )
    }

    /// The public key.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        let mut key = [0; 32];
        key.copy_from_slice(self.pair.public_key().as_ref());
        PublicKey(key)
    }

    /// Its signature over `message`, 64 bytes (RFC 8032).
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }

    fn of(seed: [u8; 32]) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| KeyError::Private)?;
        Ok(Self { seed, pair })
    }
}

/// Version 2 differs in the length of the whole and in the version's number.
fn is_version_2(contents: &[u8]) -> bool {
    let same = |range: std::ops::Range<usize>| contents.get(range.clone()) == PKCS8_PREFIX.get(range);
    contents.first() == Some(&0x30) && contents.get(4) == Some(&0x01) && same(2..4) && same(5..16)
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("public_key", &self.public_key()).finish_non_exhaustive()
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let bytes = BASE64.decode(text).ok();
        let key = bytes.as_deref().and_then(|bytes| bytes.strip_prefix(SPKI_PREFIX.as_slice()));
        key.and_then(|key| key.try_into().ok()).map(Self).ok_or_else(|| KeyError::Public(text.to_owned()))
    }
}

impl TryFrom<String> for PublicKey {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, KeyError> {
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

impl TryFrom<String> for KeyId {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, KeyError> {
        from_hex(&text).map(Self).ok_or(KeyError::Public(text))
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

#[cfg(test)]
#[path = "keys/tests.rs"]
mod tests;
