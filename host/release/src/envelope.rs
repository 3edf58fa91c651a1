//! A signed release: a DSSE envelope around its document.
//!
//! The signature is over the very bytes of the document and its type, so nothing depends on how JSON is written.
//!
//! <https://github.com/secure-systems-lab/dsse/blob/master/envelope.md>

use std::path::Path;

use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use crate::id::ReleaseId;
use crate::keys::{KeyId, SigningKey, Trust, TrustedKeys, verifies};
use crate::manifest::{FORMAT, ReleaseManifest};
use tidegate_app::App;

/// What the payload is.
pub const PAYLOAD_TYPE: &str = "application/vnd.tidegate.release+json";
/// The largest envelope, in bytes: an app of 300 routes with many grants has a tenth of it.
pub const MAX_ENVELOPE_BYTES: usize = 1 << 20;
/// The most signatures of one envelope: one for each key during a rotation, and room.
const MAX_SIGNATURES: usize = 16;

/// A signed release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    payload_type: String,
    #[serde(with = "base64_text")]
    payload: Vec<u8>,
    signatures: Vec<Signature>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Signature {
    keyid: KeyId,
    #[serde(with = "base64_text")]
    sig: Vec<u8>,
}

/// A release whose signature was verified: nobody else can make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    document: ReleaseManifest,
    /// The name of the key that signed it.
    signed_by: String,
}

/// Why a release is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// It is no envelope, or what is in it is no release.
    #[error("it is no signed release of Tidegate: {0}")]
    Malformed(String),
    /// A later version of Tidegate wrote it.
    #[error("it is of format {0}, and this version of Tidegate knows format {FORMAT}")]
    Format(u32),
    /// Nobody signed it.
    #[error("it is not signed")]
    Unsigned,
    /// It is signed, and no signature is by a key of the stage.
    #[error(
        "it is signed by {signers}, and the stage `{stage}` trusts none of them; hint: sign it with a key that \
         `[keys]` has for this stage, or add the key there and deploy"
    )]
    Untrusted {
        /// The keys that signed it.
        signers: String,
        /// The stage.
        stage: String,
    },
    /// The key that signed it was revoked.
    #[error("it is signed by the key `{0}`, which was revoked; hint: create the release anew with another key")]
    Revoked(String),
    /// The signature is not over these bytes.
    #[error("the signature of the key `{0}` does not match: the release was altered after it was signed")]
    Altered(String),
    /// It is another release than the one that was asked for.
    #[error("it is the release `{found}`, stored as `{wanted}`")]
    OtherRelease {
        /// What was asked for.
        wanted: ReleaseId,
        /// What it is.
        found: ReleaseId,
    },
}

impl Envelope {
    /// Signs a release with each of these keys.
    #[must_use]
    pub fn sign<'a>(document: &ReleaseManifest, keys: impl IntoIterator<Item = &'a SigningKey>) -> Self {
        let payload = document.to_json();
        let message = pre_authentication_encoding(PAYLOAD_TYPE, &payload);
        let signatures = keys.into_iter();
        let signatures =
            signatures.map(|key| Signature { keyid: KeyId::of(&key.public_key()), sig: key.sign(&message) });
        Self { payload_type: PAYLOAD_TYPE.to_owned(), signatures: signatures.collect(), payload }
    }

    /// As it is stored.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        // Every key is text and every value has a JSON form, so this cannot fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// From how it is stored.
    ///
    /// # Errors
    /// [`VerifyError::Malformed`] when it is none, or larger than [`MAX_ENVELOPE_BYTES`].
    pub fn parse(json: &[u8]) -> Result<Self, VerifyError> {
        if json.len() > MAX_ENVELOPE_BYTES {
            return Err(malformed(format!("it has {} bytes, more than {MAX_ENVELOPE_BYTES}", json.len())));
        }
        let envelope: Self = serde_json::from_slice(json).map_err(malformed)?;
        if envelope.payload_type != PAYLOAD_TYPE {
            return Err(malformed(format!("its payload is `{}`", envelope.payload_type)));
        }
        if envelope.signatures.len() > MAX_SIGNATURES {
            return Err(malformed(format!("it has more than {MAX_SIGNATURES} signatures")));
        }
        Ok(envelope)
    }

    /// The release that it holds, whoever signed it: to be shown, not to be run.
    ///
    /// # Errors
    /// When it holds none.
    pub fn unverified(&self) -> Result<ReleaseManifest, VerifyError> {
        // Before the rest is read: a later format may have other keys.
        let Format { format } = serde_json::from_slice(&self.payload).map_err(malformed)?;
        if format != FORMAT {
            return Err(VerifyError::Format(format));
        }
        let document: ReleaseManifest = serde_json::from_slice(&self.payload).map_err(malformed)?;
        coherent(&document)?;
        Ok(document)
    }

    /// The keys that it says it is signed by.
    pub fn signers(&self) -> impl Iterator<Item = KeyId> {
        self.signatures.iter().map(|signature| signature.keyid)
    }

    /// The release, if one of these keys signed it and it is `wanted`.
    ///
    /// # Errors
    /// When none did, or it is another.
    pub fn verify(&self, keys: &TrustedKeys, wanted: &ReleaseId) -> Result<Verified, VerifyError> {
        let signed_by = self.signed_by(keys)?;
        let document = self.unverified()?;
        let found = document.id();
        if found != *wanted {
            return Err(VerifyError::OtherRelease { wanted: wanted.clone(), found });
        }
        Ok(Verified { document, signed_by })
    }

    /// The name of a key that did sign it. One signature that holds is enough: during a rotation there are others.
    fn signed_by(&self, keys: &TrustedKeys) -> Result<String, VerifyError> {
        let message = pre_authentication_encoding(&self.payload_type, &self.payload);
        let (mut altered, mut revoked) = (None, None);
        for signature in &self.signatures {
            match keys.find(signature.keyid) {
                Trust::Trusted { name, key } if verifies(key, &message, &signature.sig) => return Ok(name.to_owned()),
                Trust::Trusted { name, .. } => altered = Some(VerifyError::Altered(name.to_owned())),
                Trust::Revoked(name) => revoked = Some(VerifyError::Revoked(name.to_owned())),
                Trust::Unknown => {}
            }
        }
        let signers: Vec<_> = self.signers().map(|id| format!("`{id}`")).collect();
        Err(altered.or(revoked).unwrap_or_else(|| match signers.is_empty() {
            true => VerifyError::Unsigned,
            false => VerifyError::Untrusted { signers: signers.join(", "), stage: keys.stage().to_owned() },
        }))
    }
}

impl Verified {
    /// The release.
    #[must_use]
    pub fn document(&self) -> &ReleaseManifest {
        &self.document
    }

    /// The name of the key that signed it.
    #[must_use]
    pub fn signed_by(&self) -> &str {
        &self.signed_by
    }
}

#[derive(Deserialize)]
struct Format {
    format: u32,
}

/// What a signature is over: the payload's type and the payload, each with its length.
fn pre_authentication_encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

/// What must hold within a release, whoever signed it.
fn coherent(document: &ReleaseManifest) -> Result<(), VerifyError> {
    let ReleaseManifest { app, components, targets, .. } = document;
    app.validate(Path::new("app.json")).map_err(|error| match error {
        tidegate_app::Error::Key { key, problem, .. } => malformed(format!("`app.{key}`: {problem}")),
        error => malformed(error.to_string()),
    })?;
    let App { components: names, .. } = app;
    if !names.iter().eq(components.keys()) {
        return Err(malformed("its components are not those of its app"));
    }
    match components.iter().find(|(_, component)| !component.artifacts.keys().eq(targets.keys())) {
        Some((name, _)) => Err(malformed(format!("the component `{name}` has not one artifact for each target"))),
        None => Ok(()),
    }
}

fn malformed(reason: impl ToString) -> VerifyError {
    VerifyError::Malformed(reason.to_string())
}

mod base64_text {
    use super::BASE64;
    use base64::Engine as _;
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        BASE64.decode(text.as_bytes()).map_err(D::Error::custom)
    }
}
