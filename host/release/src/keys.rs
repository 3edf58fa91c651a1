//! ed25519 keys: those that sign releases, and those that a stage trusts.
//!
//! A private key is a PKCS#8 file in PEM (RFC 8410), as `openssl genpkey -algorithm ed25519` writes one. A public key is
//! the base64 of its SubjectPublicKeyInfo: the line between the markers of `openssl pkey -pubout`.

use std::collections::BTreeMap;
use std::fmt;

use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use tidegate_app::{Keys, PublicKey};

use crate::digest::{Digest, from_hex, hex};

/// The marker of a private key's PEM file.
const PEM_TAG: &str = "PRIVATE KEY";
/// What stands before the 32 bytes of a private key in PKCS#8, version 1 (RFC 8410, section 7).
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// Why a key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The text is not the id of a key.
    #[error("`{0}` is not a key id: expected 16 hexadecimal digits")]
    Id(String),
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

/// A private key, with its public key.
pub struct SigningKey {
    seed: [u8; 32],
    pair: Ed25519KeyPair,
}

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

impl TrustedKeys {
    /// Selects the keys that name the stage and are not revoked.
    #[must_use]
    pub fn of_stage(keys: &Keys, stage: &str) -> Self {
        let mut trusted = Self { stage: stage.to_owned(), ..Self::default() };
        for (name, key) in &keys.0 {
            let id = KeyId::of(&key.public_key);
            if key.revoked {
                trusted.revoked.insert(id, name.clone());
            } else if key.stages.contains(stage) {
                trusted.trusted.insert(id, (name.clone(), key.public_key));
            }
        }
        trusted
    }

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

impl KeyId {
    /// Returns the id of `key`.
    #[must_use]
    pub fn of(key: &PublicKey) -> Self {
        let digest = Digest::of(&key.spki());
        let mut id = [0; 8];
        id.copy_from_slice(digest.as_bytes().split_at(8).0);
        Self(id)
    }
}

/// Returns true if `signature` is the signature of `key` over `message` (RFC 8032).
#[must_use]
pub fn verifies(key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, key.as_bytes()).verify(message, signature).is_ok()
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
        PublicKey::from_bytes(key)
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

impl TryFrom<String> for KeyId {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, KeyError> {
        from_hex(&text).map(Self).ok_or(KeyError::Id(text))
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
