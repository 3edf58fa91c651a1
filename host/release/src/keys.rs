//! ed25519 keys that sign releases, and the keys that a stage trusts.
//!
//! A private key is a PKCS#8 file in PEM format (RFC 8410), as written by `openssl genpkey -algorithm ed25519`. A
//! public key is the base64 text of its SubjectPublicKeyInfo: the line between the markers of `openssl pkey -pubout`.

use std::collections::BTreeMap;
use std::fmt;

use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use tidegate_app::{Keys, PublicKey};
use tidegate_diagnostic::{Code, Diagnostic};

use crate::digest::{Digest, from_hex};

/// The label of a private key in PEM format.
const PEM_TAG: &str = "PRIVATE KEY";
/// The DER bytes before the 32 bytes of a private key in PKCS#8, version 1 (RFC 8410, section 7).
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// The length of a signature (RFC 8032, section 5.1.6).
const SIGNATURE_BYTES: usize = 64;

/// An error of a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The text is not the id of a key.
    #[error("`{0}` is not a key id: expected 16 hexadecimal digits")]
    Id(String),
    /// The text is not a private key.
    #[error("the file is not an ed25519 private key in PEM format")]
    Private,
    /// The system provides no random bytes.
    #[error("the system provides no random bytes")]
    Random,
}

/// The id of a key in signatures: the first 16 hexadecimal digits of the SHA-256 of its SubjectPublicKeyInfo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId([u8; 8]);

/// A private key with its public key.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    pem: String,
}

/// The keys that one stage trusts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedKeys {
    /// The name of the stage, for errors.
    stage: String,
    trusted: BTreeMap<KeyId, (String, PublicKey)>,
    /// The revoked keys, of every stage.
    revoked: BTreeMap<KeyId, (String, PublicKey)>,
}

/// The trust of a stage in a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trust<'a> {
    /// The signature is of this trusted key.
    Trusted(&'a str),
    /// The signature names this trusted key, and is not its signature.
    Mismatched(&'a str),
    /// The signature names this revoked key, or is its signature.
    Revoked(&'a str),
    /// The signature is of no listed key.
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
                trusted.revoked.insert(id, (name.clone(), key.public_key));
            } else if key.stages.contains(stage) {
                trusted.trusted.insert(id, (name.clone(), key.public_key));
            }
        }
        // A key that is listed under two names is revoked if either is revoked.
        let Self { trusted: of_stage, revoked, .. } = &mut trusted;
        of_stage.retain(|id, _| !revoked.contains_key(id));
        trusted
    }

    /// Returns the name of the stage.
    #[must_use]
    pub fn stage(&self) -> &str {
        &self.stage
    }

    /// Returns true if no key is trusted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.trusted.is_empty()
    }

    /// Finds the key of a signature. `hint` is an id that anybody can write, so it only decides which key is tried
    /// first, and which name an error has.
    pub(crate) fn verify(&self, hint: Option<KeyId>, message: &[u8], signature: &[u8]) -> Trust<'_> {
        // A text of another length is a signature of no key, which is found out without trying each.
        let is_signature = signature.len() == SIGNATURE_BYTES;
        let is_signed_by = |key: &PublicKey| is_signature && verifies(key, message, signature);
        let hinted = hint.and_then(|id| self.trusted.get(&id)).into_iter();
        let signer = hinted.chain(self.trusted.values()).find(|(_, key)| is_signed_by(key));
        if let Some((name, _)) = signer {
            return Trust::Trusted(name);
        }
        if let Some((name, _)) = hint.and_then(|id| self.trusted.get(&id)) {
            return Trust::Mismatched(name);
        }
        let hinted = hint.and_then(|id| self.revoked.get(&id));
        let revoked = hinted.or_else(|| self.revoked.values().find(|(_, key)| is_signed_by(key)));
        revoked.map_or(Trust::Unknown, |(name, _)| Trust::Revoked(name))
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
    /// Generates a key from random bytes of the system.
    ///
    /// # Errors
    /// [`KeyError::Random`] if the system provides none.
    pub fn generate() -> Result<Self, KeyError> {
        let mut seed = [0; 32];
        SystemRandom::new().fill(&mut seed).map_err(|_| KeyError::Random)?;
        Self::from_pem(&encode_pem(&seed))
    }

    /// Parses a key in PEM format. Both versions of PKCS#8 are accepted. The text may have other blocks, for example a
    /// certificate.
    ///
    /// # Errors
    /// [`KeyError::Private`] if the text is not an ed25519 private key.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let blocks = pem::parse_many(text).map_err(|_| KeyError::Private)?;
        let pem = blocks.into_iter().find(|pem| pem.tag() == PEM_TAG).ok_or(KeyError::Private)?;
        // "Maybe unchecked" accepts version 1, which has no public key that the private key could be checked against.
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(pem.contents()).map_err(|_| KeyError::Private)?;
        Ok(Self { pair, pem: text.to_owned() })
    }

    /// Returns the key in PEM format: the text that it was parsed from, or PKCS#8 version 1 for a generated key.
    #[must_use]
    pub fn to_pem(&self) -> &str {
        &self.pem
    }

    /// Returns the public key.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        let mut key = [0; 32];
        key.copy_from_slice(self.pair.public_key().as_ref());
        PublicKey::from_bytes(key)
    }

    /// Signs `message`. The signature has 64 bytes (RFC 8032).
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

fn encode_pem(seed: &[u8; 32]) -> String {
    let contents = [PKCS8_PREFIX.as_slice(), seed].concat();
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new(PEM_TAG, contents), config)
}

impl From<KeyError> for Diagnostic {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Id(text) => {
                Self::new(Code::KeyIdInvalid, format!("invalid key id `{text}`"), "expected 16 hexadecimal digits")
            }
            KeyError::Private => Self::new(Code::KeyInvalid, "cannot read the signing key", error.to_string())
                .hint("create a key with `tidegate keys new`"),
            KeyError::Random => Self::new(Code::KeyRandom, "cannot generate a key", error.to_string()),
        }
    }
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
        f.write_str(&hex::encode(self.0))
    }
}

#[cfg(test)]
#[path = "keys/tests.rs"]
mod tests;
