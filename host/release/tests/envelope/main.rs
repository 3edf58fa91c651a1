//! Tests of signed releases.

// Clippy's exception for tests covers test functions, not their helpers.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "these are tests")]

mod dsse;
#[path = "../support/mod.rs"]
mod support;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};
use support::{document, trusting};
use tidegate_diagnostic::{Code, Diagnostic};
use tidegate_release::envelope::{MAX_ENVELOPE_BYTES, PAYLOAD_TYPE, VerifyError};
use tidegate_release::keys::KeyId;
use tidegate_release::{Envelope, ReleaseId, ReleaseManifest, SigningKey, TrustedKeys};

/// A signing key that the stage `prod` trusts under the name `ci`.
struct Signer {
    key: SigningKey,
    trusted: TrustedKeys,
}

impl Signer {
    fn new() -> Self {
        let key = SigningKey::generate().unwrap();
        let trusted = TrustedKeys::of_stage(&trusting([("ci", &key)]), "prod");
        Self { key, trusted }
    }

    fn sign(&self, document: &ReleaseManifest) -> Value {
        serde_json::from_slice(&Envelope::sign(document, [&self.key]).to_json()).unwrap()
    }

    /// Returns an envelope around any payload with a valid signature.
    fn sign_payload(&self, payload: &[u8]) -> Value {
        let head = format!("DSSEv1 {} {PAYLOAD_TYPE} {} ", PAYLOAD_TYPE.len(), payload.len());
        let signature = BASE64.encode(self.key.sign(&[head.as_bytes(), payload].concat()));
        let signature = json!({"keyid": KeyId::of(&self.key.public_key()), "sig": signature});
        json!({"payloadType": PAYLOAD_TYPE, "payload": BASE64.encode(payload), "signatures": [signature]})
    }

    fn verify(&self, envelope: &Value) -> Result<ReleaseManifest, VerifyError> {
        verify(envelope, &self.trusted, &document("1").id())
    }
}

fn verify(envelope: &Value, keys: &TrustedKeys, wanted: &ReleaseId) -> Result<ReleaseManifest, VerifyError> {
    let verified = Envelope::parse(envelope.to_string().as_bytes())?.verify(keys, wanted)?;
    Ok(verified.manifest().clone())
}

fn payload(envelope: &Value) -> Value {
    serde_json::from_slice(&BASE64.decode(envelope["payload"].as_str().unwrap()).unwrap()).unwrap()
}

fn key_id(key: &SigningKey) -> String {
    KeyId::of(&key.public_key()).to_string()
}

#[track_caller]
fn assert_malformed<T: std::fmt::Debug>(result: Result<T, VerifyError>, reason: &str) {
    match result {
        Err(VerifyError::Malformed(text)) => assert!(text.contains(reason), "{text}"),
        other => panic!("expected `malformed` because of `{reason}`, got {other:?}"),
    }
}

#[test]
fn signed_releases_are_verified() {
    let signer = Signer::new();
    let envelope = Envelope::sign(&document("1"), [&signer.key]);
    let stored = envelope.to_json();
    let parsed = Envelope::parse(&stored).unwrap();
    assert_eq!(parsed, envelope);
    let verified = parsed.verify(&signer.trusted, &document("1").id()).unwrap();
    assert_eq!((verified.manifest(), verified.signed_by()), (&document("1"), "ci"));
    assert_eq!(parsed.unverified(), Ok(document("1")));
    assert!(parsed.signers().eq([KeyId::of(&signer.key.public_key())]));
    // The envelope is DSSE, which other tools can read.
    let json = signer.sign(&document("1"));
    assert_eq!(json["payloadType"], "application/vnd.tidegate.release+json");
    assert_eq!(payload(&json), serde_json::to_value(document("1")).unwrap());
    assert_eq!(json["signatures"][0]["keyid"], key_id(&signer.key));
    let signature = BASE64.decode(json["signatures"][0]["sig"].as_str().unwrap()).unwrap();
    assert_eq!(signature.len(), 64);
    assert_eq!(json, signer.sign_payload(&document("1").to_json()), "the signature covers the bytes that DSSE defines");
}

#[test]
fn altered_payloads_are_refused() {
    let signer = Signer::new();
    let signed = signer.sign(&document("1"));
    for (path, value) in [
        ("/app/routes/$default/grants", json!({"config": ["secret"]})),
        ("/provenance/revision", json!("other")),
        ("/engine", json!("other")),
        ("/components/chat/artifacts/x86_64-unknown-linux-gnu/size", json!(1)),
    ] {
        let mut document = payload(&signed);
        *document.pointer_mut(path).unwrap() = value;
        let mut envelope = signed.clone();
        envelope["payload"] = BASE64.encode(document.to_string()).into();
        assert_eq!(signer.verify(&envelope), Err(VerifyError::Altered("ci".to_owned())), "{path}");
    }
    // The same JSON with another formatting has another signature.
    let mut envelope = signed.clone();
    envelope["payload"] = BASE64.encode(format!("{:#}", payload(&signed))).into();
    assert_eq!(signer.verify(&envelope), Err(VerifyError::Altered("ci".to_owned())));
}

#[test]
fn altered_signatures_are_refused() {
    let signer = Signer::new();
    let signed = signer.sign(&document("1"));
    let signature = BASE64.decode(signed["signatures"][0]["sig"].as_str().unwrap()).unwrap();
    let mut flipped = signature.clone();
    flipped[63] ^= 1;
    let other = signer.sign(&document("2"))["signatures"][0]["sig"].as_str().map(|sig| BASE64.decode(sig).unwrap());
    for altered in
        [flipped, other.unwrap(), vec![0; 64], signature[..63].to_vec(), vec![], [signature, vec![0]].concat()]
    {
        let mut envelope = signed.clone();
        envelope["signatures"][0]["sig"] = BASE64.encode(&altered).into();
        assert_eq!(signer.verify(&envelope), Err(VerifyError::Altered("ci".to_owned())), "{altered:?}");
    }
}

#[test]
fn untrusted_keys_are_refused() {
    let signer = Signer::new();
    let other = Signer::new();
    let id = document("1").id();
    let signed = signer.sign(&document("1"));
    let untrusted =
        |stage: &str| VerifyError::Untrusted { signers: format!("`{}`", key_id(&signer.key)), stage: stage.to_owned() };
    assert_eq!(verify(&signed, &other.trusted, &id), Err(untrusted("prod")));
    assert_eq!(
        verify(&signed, &TrustedKeys::of_stage(&trusting([("ci", &signer.key)]), "stage"), &id),
        Err(untrusted("stage"))
    );
    assert_eq!(verify(&signed, &TrustedKeys::default(), &id), Err(untrusted("")));
    // The id of another key does not help.
    let mut pretended = signed;
    pretended["signatures"][0]["keyid"] = key_id(&other.key).into();
    assert_eq!(verify(&pretended, &other.trusted, &id), Err(VerifyError::Altered("ci".to_owned())));
}

#[test]
fn revoked_keys_are_refused() {
    let signer = Signer::new();
    let mut keys = trusting([("ci", &signer.key)]);
    keys.0.get_mut("ci").unwrap().revoked = true;
    let revoked =
        verify(&signer.sign(&document("1")), &TrustedKeys::of_stage(&keys, "prod"), &document("1").id()).unwrap_err();
    assert_eq!(revoked, VerifyError::Revoked("ci".to_owned()));
    let diagnostic = Diagnostic::from(revoked);
    assert_eq!(diagnostic.code, Code::KeyRevoked);
    assert!(diagnostic.hint.unwrap().contains("create the release again"));
}

#[test]
fn unsigned_releases_are_refused() {
    let signer = Signer::new();
    let unsigned = Envelope::sign(&document("1"), []);
    assert_eq!(unsigned.verify(&signer.trusted, &document("1").id()), Err(VerifyError::Unsigned));
    // The manifest can be shown without a signature.
    assert_eq!(unsigned.unverified(), Ok(document("1")));
}

#[test]
fn one_valid_signature_is_enough() {
    let signer = Signer::new();
    let old = Signer::new();
    let envelope = Envelope::sign(&document("1"), [&old.key, &signer.key]);
    for (trusted, name) in [
        (trusting([("ci", &signer.key)]), "ci"),
        (trusting([("old", &old.key)]), "old"),
        (trusting([("ci", &signer.key), ("old", &old.key)]), "old"),
    ] {
        let verified = envelope.verify(&TrustedKeys::of_stage(&trusted, "prod"), &document("1").id()).unwrap();
        assert_eq!(verified.signed_by(), name);
    }
    let mut keys = trusting([("ci", &signer.key), ("old", &old.key)]);
    keys.0.get_mut("old").unwrap().revoked = true;
    assert_eq!(envelope.verify(&TrustedKeys::of_stage(&keys, "prod"), &document("1").id()).unwrap().signed_by(), "ci");
    // Only one of the two signatures is altered.
    let mut json: Value = serde_json::from_slice(&envelope.to_json()).unwrap();
    json["signatures"][0]["sig"] = BASE64.encode([0; 64]).into();
    let keys = TrustedKeys::of_stage(&trusting([("ci", &signer.key), ("old", &old.key)]), "prod");
    assert_eq!(verify(&json, &keys, &document("1").id()), Ok(document("1")));
    let neither = TrustedKeys::of_stage(&trusting([]), "prod");
    let signers = format!("`{}`, `{}`", key_id(&old.key), key_id(&signer.key));
    let stage = "prod".to_owned();
    assert_eq!(envelope.verify(&neither, &document("1").id()), Err(VerifyError::Untrusted { signers, stage }));
}

#[test]
fn releases_stored_under_another_id_are_refused() {
    let signer = Signer::new();
    // An attacker who can write to the store swaps two signed releases.
    let wanted = document("1").id();
    let found = document("2").id();
    let refused = signer.verify(&signer.sign(&document("2")));
    assert_eq!(refused, Err(VerifyError::OtherRelease { wanted, found }));
}

#[test]
fn invalid_envelopes_are_malformed() {
    let signer = Signer::new();
    let signed = signer.sign(&document("1"));
    for text in ["", "{", "null", "\"text\"", "{}", "\u{0}"] {
        assert_malformed(Envelope::parse(text.as_bytes()), "");
    }
    let text = signed.to_string();
    assert_malformed(Envelope::parse(&text.as_bytes()[..text.len() / 2]), "EOF");
    assert_malformed(Envelope::parse(format!("{text}x").as_bytes()), "trailing");
    for (key, value, reason) in [
        ("payloadType", json!("application/vnd.in-toto+json"), "the payload type is `application/vnd.in-toto+json`"),
        ("payload", json!("not base64"), "Invalid"),
        ("payload", json!(1), "invalid type"),
        ("signatures", json!({}), "invalid type"),
        ("signatures", json!(["text"]), "invalid type"),
        ("signatures", vec![signed["signatures"][0].clone(); 17].into(), "more than 16 signatures"),
    ] {
        let mut envelope = signed.clone();
        envelope[key] = value;
        assert_malformed(signer.verify(&envelope), reason);
        envelope.as_object_mut().unwrap().remove(key);
        assert_malformed(signer.verify(&envelope), &format!("missing field `{key}`"));
    }
}

#[test]
fn large_envelopes_are_refused() {
    let signer = Signer::new();
    let mut envelope = signer.sign(&document("1")).to_string().into_bytes();
    envelope.resize(MAX_ENVELOPE_BYTES, b' ');
    assert!(Envelope::parse(&envelope).is_ok());
    envelope.push(b' ');
    assert_malformed(Envelope::parse(&envelope), "the envelope has 1048577 bytes, more than 1048576");
}

#[test]
fn unknown_envelope_keys_are_ignored() {
    let signer = Signer::new();
    let mut envelope = signer.sign(&document("1"));
    envelope["transparencyLog"] = json!("https://example.com");
    envelope["signatures"][0]["cert"] = json!("…");
    assert_eq!(signer.verify(&envelope), Ok(document("1")));
}

#[test]
fn signed_payloads_that_are_not_a_release_are_malformed() {
    let signer = Signer::new();
    let with = |path: &str, value: Value| {
        let mut document = serde_json::to_value(document("1")).unwrap();
        let (parent, key) = path.rsplit_once('/').unwrap();
        document.pointer_mut(parent).unwrap()[key] = value;
        signer.verify(&signer.sign_payload(document.to_string().as_bytes()))
    };
    assert_eq!(with("/format", json!(1)), Ok(document("1")));
    assert_malformed(with("/extra", json!(1)), "unknown field `extra`");
    assert_malformed(with("/app/extra", json!(1)), "unknown field `extra`");
    assert_malformed(
        with("/app/routes/$default/component", json!("other")),
        "`app.routes.\"$default\".component`: the app has no component `other`",
    );
    assert_malformed(with("/app/name", json!("../other")), "`app.name`");
    assert_malformed(with("/components/other", json!({"digest": "0".repeat(64), "artifacts": {}})), "the components");
    assert_malformed(with("/components", json!({})), "the components are not those of the app");
    assert_malformed(
        with("/targets/riscv64", json!("rv64gc")),
        "the component `chat` does not have one artifact for each",
    );
    assert_malformed(
        with("/components/guard/artifacts", json!({})),
        "the component `guard` does not have one artifact",
    );
    assert_malformed(with("/components/guard/digest", json!("0")), "`0` is not a SHA-256 digest");
    for payload in ["", "[]", "{}", "{\"format\": \"1\"}"] {
        assert_malformed(signer.verify(&signer.sign_payload(payload.as_bytes())), "");
    }
}

#[test]
fn later_formats_are_reported_before_unknown_keys() {
    let signer = Signer::new();
    let later = signer.sign_payload(br#"{"format": 2, "modules": ["other"], "engine": 7}"#);
    let refused = signer.verify(&later).unwrap_err();
    assert_eq!(refused, VerifyError::Format(2));
    assert_eq!(Diagnostic::from(refused).code, Code::ReleaseFormat);
    // The signature is verified before the format is read.
    let other = Signer::new();
    assert!(matches!(other.verify(&later), Err(VerifyError::Untrusted { .. })));
}

/// A change of some bytes.
#[derive(Debug, Clone)]
enum Mutation {
    Flip(Index, u8),
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, Index),
    Swap(Index, Index),
    Truncate(Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = any::<Index>;
    // Half of the bytes have a meaning in JSON or base64.
    let byte = || prop_oneof![any::<u8>(), proptest::sample::select(b"\"{}[]:,\\ 019-eEtfn+/=".to_vec())];
    prop_oneof![
        (at(), 0..8_u8).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        (at(), byte()).prop_map(|(at, byte)| Mutation::Set(at, byte)),
        (at(), vec(byte(), 1..9)).prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        (at(), at()).prop_map(|(from, to)| Mutation::Remove(from, to)),
        (at(), at()).prop_map(|(one, other)| Mutation::Swap(one, other)),
        at().prop_map(Mutation::Truncate),
    ]
}

fn mutated(mut bytes: Vec<u8>, mutations: Vec<Mutation>) -> Vec<u8> {
    for mutation in mutations {
        let length = bytes.len();
        if length == 0 {
            return bytes;
        }
        match mutation {
            Mutation::Flip(at, bit) => bytes[at.index(length)] ^= 1 << bit,
            Mutation::Set(at, byte) => bytes[at.index(length)] = byte,
            Mutation::Insert(at, more) => drop(bytes.splice(at.index(length)..at.index(length), more)),
            Mutation::Remove(from, to) => {
                let from = from.index(length);
                // At most 40 bytes are removed.
                drop(bytes.drain(from..length.min(from + to.index(40))));
            }
            Mutation::Swap(one, other) => bytes.swap(one.index(length), other.index(length)),
            Mutation::Truncate(at) => bytes.truncate(at.index(length)),
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_000) })]

    /// Altered bytes never cause a panic, and a verified manifest is always the signed one.
    #[test]
    fn altered_bytes_are_refused_or_equivalent(mutations in vec(mutation(), 1..4)) {
        let signer = Signer::new();
        let stored = Envelope::sign(&document("1"), [&signer.key]).to_json();
        if let Ok(envelope) = Envelope::parse(&mutated(stored, mutations)) {
            let _ = envelope.unverified();
            if let Ok(verified) = envelope.verify(&signer.trusted, &document("1").id()) {
                prop_assert_eq!(verified.manifest(), &document("1"));
            }
        }
    }

    /// Signed payloads never cause a panic, and a verified manifest always has the requested id.
    #[test]
    fn signed_payloads_are_refused_or_have_the_requested_id(mutations in vec(mutation(), 1..4)) {
        let signer = Signer::new();
        let signed = signer.sign_payload(&mutated(document("1").to_json(), mutations));
        if let Ok(document) = signer.verify(&signed) {
            prop_assert_eq!(document.id(), support::document("1").id());
        }
    }

    #[test]
    fn random_bytes_are_refused(bytes in vec(any::<u8>(), 0..200)) {
        prop_assert!(Envelope::parse(&bytes).is_err());
    }
}
