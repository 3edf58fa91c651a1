//! A signed release: a DSSE envelope around its manifest.
//!
//! The signature covers the bytes of the manifest and their type, so it does not depend on the formatting of the JSON.
//! As the specification demands, a key id is an optional hint that proves nothing, both base64 alphabets are accepted,
//! and signatures that cannot be verified do not matter if one of a trusted key can.
//!
//! <https://github.com/secure-systems-lab/dsse/blob/master/envelope.md>

use std::path::Path;

use serde::{Deserialize, Serialize};
use tidegate_diagnostic::{Code, Diagnostic};

use crate::id::ReleaseId;
use crate::keys::{KeyId, SigningKey, Trust, TrustedKeys};
use crate::manifest::{FORMAT, ReleaseManifest};
use tidegate_app::App;

/// The media type of the payload.
pub const PAYLOAD_TYPE: &str = "application/vnd.tidegate.release+json";
/// The maximum size of an envelope, in bytes. An app of 300 routes with many grants needs a tenth of it.
pub const MAX_ENVELOPE_BYTES: usize = 1 << 20;
/// The maximum number of signatures. A rotation of keys needs two.
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
    /// A hint. `None` if the signature has none, or one in a form that another tool uses.
    #[serde(default, deserialize_with = "base64_text::hint", skip_serializing_if = "Option::is_none")]
    keyid: Option<KeyId>,
    /// Empty if it is missing or not base64. Such a signature never verifies.
    #[serde(default, with = "base64_text::lenient")]
    sig: Vec<u8>,
}

/// A release with a verified signature. Only [`Envelope::verify`] creates one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    manifest: ReleaseManifest,
    signed_by: String,
}

/// A release that cannot be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The bytes are not an envelope, or its payload is not a release manifest.
    #[error("the release is malformed: {0}")]
    Malformed(String),
    /// The release was created by a later version of Tidegate.
    #[error("the release has format {0}, and this version of Tidegate reads format {FORMAT}")]
    Format(u32),
    /// The release has no signature.
    #[error("the release is not signed")]
    Unsigned,
    /// No key that the stage trusts signed the release.
    #[error("the release is signed by {signers}, and the stage `{stage}` does not trust any of these keys")]
    Untrusted {
        /// The ids of the keys that signed the release.
        signers: String,
        /// The name of the stage.
        stage: String,
    },
    /// The only trusted key that signed the release is revoked.
    #[error("the release is signed by the key `{0}`, which is revoked")]
    Revoked(String),
    /// The signature does not match the payload.
    #[error("the signature of the key `{0}` does not match: the release was altered after it was signed")]
    Altered(String),
    /// The release does not have the id that was requested.
    #[error("the release stored as `{wanted}` is the release `{found}`")]
    OtherRelease {
        /// The requested id.
        wanted: ReleaseId,
        /// The id of the content.
        found: ReleaseId,
    },
}

impl VerifyError {
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Malformed(_) => Code::ReleaseMalformed,
            Self::Format(_) => Code::ReleaseFormat,
            Self::Unsigned => Code::ReleaseUnsigned,
            Self::Untrusted { .. } => Code::KeyUntrusted,
            Self::Revoked(_) => Code::KeyRevoked,
            Self::Altered(_) => Code::ReleaseAltered,
            Self::OtherRelease { .. } => Code::ReleaseIdMismatch,
        }
    }

    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::Format(_) => "use a later version of `tidegate`",
            Self::Unsigned => "create the release again with a signing key",
            Self::Untrusted { .. } => {
                "sign the release with a key that `[keys]` lists for the stage, or add the key to `[keys]` and deploy"
            }
            Self::Revoked(_) => "create the release again with another signing key",
            Self::Malformed(_) | Self::Altered(_) | Self::OtherRelease { .. } => {
                "create the release again with `tidegate release create`"
            }
        }
    }
}

impl From<VerifyError> for Diagnostic {
    fn from(error: VerifyError) -> Self {
        Self::new(error.code(), "cannot verify the release", error.to_string()).hint(error.hint())
    }
}

impl Envelope {
    /// Signs a release with each of the keys.
    #[must_use]
    pub fn sign<'a>(manifest: &ReleaseManifest, keys: impl IntoIterator<Item = &'a SigningKey>) -> Self {
        let payload = manifest.to_json();
        let message = pre_authentication_encoding(PAYLOAD_TYPE, &payload);
        let signatures = keys.into_iter();
        let signatures =
            signatures.map(|key| Signature { keyid: Some(KeyId::of(&key.public_key())), sig: key.sign(&message) });
        Self { payload_type: PAYLOAD_TYPE.to_owned(), signatures: signatures.collect(), payload }
    }

    /// Returns the JSON text that is stored.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        // Serialization cannot fail: every key is text and every value has a JSON form.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Parses a stored envelope.
    ///
    /// # Errors
    /// [`VerifyError::Malformed`] if the bytes are not an envelope, or there are more than [`MAX_ENVELOPE_BYTES`].
    pub fn parse(json: &[u8]) -> Result<Self, VerifyError> {
        if json.len() > MAX_ENVELOPE_BYTES {
            return Err(malformed(format!("the envelope has {} bytes, more than {MAX_ENVELOPE_BYTES}", json.len())));
        }
        let envelope: Self = serde_json::from_slice(json).map_err(malformed)?;
        if envelope.payload_type != PAYLOAD_TYPE {
            return Err(malformed(format!("the payload type is `{}`, not `{PAYLOAD_TYPE}`", envelope.payload_type)));
        }
        if envelope.signatures.len() > MAX_SIGNATURES {
            return Err(malformed(format!("the envelope has more than {MAX_SIGNATURES} signatures")));
        }
        Ok(envelope)
    }

    /// Reads the manifest without checking a signature. The result may be displayed but must not be run.
    ///
    /// # Errors
    /// If the payload is not a valid manifest.
    pub fn unverified(&self) -> Result<ReleaseManifest, VerifyError> {
        // The format is read first: a later format may have other keys.
        let Format { format } = serde_json::from_slice(&self.payload).map_err(malformed)?;
        if format != FORMAT {
            return Err(VerifyError::Format(format));
        }
        let manifest: ReleaseManifest = serde_json::from_slice(&self.payload).map_err(malformed)?;
        validate(&manifest)?;
        Ok(manifest)
    }

    /// Returns the ids of the keys in the envelope. The signatures are not checked, and those without an id are left
    /// out.
    pub fn signers(&self) -> impl Iterator<Item = KeyId> {
        self.signatures.iter().filter_map(|signature| signature.keyid)
    }

    /// Verifies that a trusted key signed the release and that its id is `wanted`.
    ///
    /// # Errors
    /// If no trusted key signed the release, or its id is another one.
    pub fn verify(&self, keys: &TrustedKeys, wanted: &ReleaseId) -> Result<Verified, VerifyError> {
        let signed_by = self.signed_by(keys)?;
        let manifest = self.unverified()?;
        let found = manifest.id();
        if found != *wanted {
            return Err(VerifyError::OtherRelease { wanted: wanted.clone(), found });
        }
        Ok(Verified { manifest, signed_by })
    }

    /// Returns the name of a trusted key whose signature matches. One such key is enough, because a release has several
    /// signatures during a rotation of keys.
    fn signed_by(&self, keys: &TrustedKeys) -> Result<String, VerifyError> {
        let message = pre_authentication_encoding(&self.payload_type, &self.payload);
        let mut altered = None;
        let mut revoked = None;
        for Signature { keyid, sig } in &self.signatures {
            match keys.verify(*keyid, &message, sig) {
                Trust::Trusted(name) => return Ok(name.to_owned()),
                Trust::Mismatched(name) => altered = Some(VerifyError::Altered(name.to_owned())),
                Trust::Revoked(name) => revoked = Some(VerifyError::Revoked(name.to_owned())),
                Trust::Unknown => {}
            }
        }
        Err(altered.or(revoked).unwrap_or_else(|| match self.signatures.is_empty() {
            true => VerifyError::Unsigned,
            false => VerifyError::Untrusted { signers: self.describe_signers(), stage: keys.stage().to_owned() },
        }))
    }

    fn describe_signers(&self) -> String {
        let name = |signature: &Signature| match signature.keyid {
            Some(id) => format!("`{id}`"),
            None => "a key without a known id".to_owned(),
        };
        let mut names: Vec<String> = self.signatures.iter().map(name).collect();
        names.dedup();
        names.join(", ")
    }
}

impl Verified {
    /// Returns the manifest.
    #[must_use]
    pub fn manifest(&self) -> &ReleaseManifest {
        &self.manifest
    }

    /// Returns the name of the key that signed the release.
    #[must_use]
    pub fn signed_by(&self) -> &str {
        &self.signed_by
    }
}

#[derive(Deserialize)]
struct Format {
    format: u32,
}

/// Returns the signed bytes: the payload type and the payload, each with its length.
fn pre_authentication_encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

/// Validates the parts of a manifest against each other.
fn validate(manifest: &ReleaseManifest) -> Result<(), VerifyError> {
    let ReleaseManifest { app, components, targets, .. } = manifest;
    app.validate(Path::new("app.json")).map_err(|error| match error {
        tidegate_app::Error::Key { key, problem, .. } => malformed(format!("`app.{key}`: {problem}")),
        error => malformed(error.to_string()),
    })?;
    let App { components: names, .. } = app;
    if !names.iter().eq(components.keys()) {
        return Err(malformed("the components are not those of the app"));
    }
    match components.iter().find(|(_, component)| !component.artifacts.keys().eq(targets.keys())) {
        Some((name, _)) => Err(malformed(format!("the component `{name}` does not have one artifact for each target"))),
        None => Ok(()),
    }
}

fn malformed(reason: impl ToString) -> VerifyError {
    VerifyError::Malformed(reason.to_string())
}

mod base64_text {
    use base64::Engine as _;
    use base64::alphabet::{STANDARD, URL_SAFE};
    use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
    use serde::de::{Error as _, IgnoredAny};
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::keys::KeyId;

    /// Padding carries no information, and some tools leave it out.
    const CONFIG: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

    fn decode(text: &str) -> Result<Vec<u8>, base64::DecodeError> {
        let alphabet = if text.contains(['-', '_']) { &URL_SAFE } else { &STANDARD };
        GeneralPurpose::new(alphabet, CONFIG).decode(text)
    }

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&base64::engine::general_purpose::STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        decode(&text).map_err(D::Error::custom)
    }

    /// A text, or any other value.
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Lenient {
        Text(String),
        Other(IgnoredAny),
    }

    /// Reads a key id. Another text or value gives none.
    pub(super) fn hint<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<KeyId>, D::Error> {
        Ok(match Lenient::deserialize(deserializer)? {
            Lenient::Text(text) => text.try_into().ok(),
            Lenient::Other(_) => None,
        })
    }

    /// Bytes as base64. Any other text or value is read as no bytes.
    pub(super) mod lenient {
        use super::{Deserialize as _, Deserializer, Lenient, decode};

        pub(in super::super) use super::serialize;

        pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
            Ok(match Lenient::deserialize(deserializer)? {
                Lenient::Text(text) => decode(&text).unwrap_or_default(),
                Lenient::Other(_) => Vec::new(),
            })
        }
    }
}
