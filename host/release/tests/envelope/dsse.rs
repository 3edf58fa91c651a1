//! Envelopes as DSSE allows them, in the forms that other tools write.
//!
//! <https://github.com/secure-systems-lab/dsse/blob/master/envelope.md>

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tidegate_release::TrustedKeys;
use tidegate_release::envelope::{Envelope, VerifyError};

use crate::support::{document, trusting};
use crate::{Signer, key_id};

/// Key ids that are missing, or that other tools or attackers write.
fn foreign_ids() -> [Option<Value>; 7] {
    let other = key_id(&Signer::new().key);
    [
        None,
        Some(Value::Null),
        Some(json!("")),
        Some(json!("SHA256:iQ4pTmHsYlMNvnZiN4UI1lQ")),
        Some(json!(other)),
        Some(json!(7)),
        Some(json!({"id": 7})),
    ]
}

fn set_id(envelope: &mut Value, id: Option<Value>) {
    let signature = envelope["signatures"][0].as_object_mut().unwrap();
    match id {
        Some(id) => signature.insert("keyid".to_owned(), id),
        None => signature.remove("keyid"),
    };
}

#[test]
fn key_ids_are_optional_hints() {
    let signer = Signer::new();
    let stranger = Signer::new();
    for id in foreign_ids() {
        let mut envelope = signer.sign(&document("1"));
        set_id(&mut envelope, id.clone());
        assert_eq!(signer.verify(&envelope), Ok(document("1")), "{id:?}");
        // An envelope keeps its meaning when it is stored again.
        let stored = Envelope::parse(envelope.to_string().as_bytes()).unwrap().to_json();
        assert_eq!(signer.verify(&serde_json::from_slice(&stored).unwrap()), Ok(document("1")), "{id:?}");
        let refused = stranger.verify(&envelope).unwrap_err();
        assert!(matches!(refused, VerifyError::Untrusted { .. }), "{id:?}: {refused}");
        envelope["signatures"][0]["sig"] = STANDARD.encode([0; 64]).into();
        assert!(matches!(signer.verify(&envelope), Err(VerifyError::Untrusted { .. })), "{id:?}");
    }
}

#[test]
fn revoked_keys_are_refused_without_a_key_id() {
    let signer = Signer::new();
    let mut keys = trusting([("ci", &signer.key)]);
    keys.0.get_mut("ci").unwrap().revoked = true;
    let revoking = TrustedKeys::of_stage(&keys, "prod");
    for id in foreign_ids() {
        let mut envelope = signer.sign(&document("1"));
        set_id(&mut envelope, id.clone());
        let refused = crate::verify(&envelope, &revoking, &document("1").id());
        assert_eq!(refused, Err(VerifyError::Revoked("ci".to_owned())), "{id:?}");
    }
}

#[test]
fn signatures_that_cannot_be_verified_are_skipped() {
    let signer = Signer::new();
    let good = signer.sign(&document("1"))["signatures"][0].clone();
    let id = key_id(&signer.key);
    for bad in [
        json!({"keyid": id, "sig": STANDARD.encode([1; 64])}),
        json!({"keyid": id, "sig": STANDARD.encode([1; 8])}),
        json!({"keyid": id, "sig": ""}),
        json!({"keyid": id, "sig": "not base64!"}),
        json!({"keyid": id, "sig": 7}),
        json!({"keyid": id, "sig": null}),
        json!({"keyid": id}),
        json!({"sig": STANDARD.encode([1; 256])}),
        json!({}),
        Signer::new().sign(&document("1"))["signatures"][0].clone(),
    ] {
        for signatures in [[&bad, &good], [&good, &bad]] {
            let mut envelope = signer.sign(&document("1"));
            envelope["signatures"] = json!(signatures);
            assert_eq!(signer.verify(&envelope), Ok(document("1")), "{bad}");
        }
        let mut envelope = signer.sign(&document("1"));
        envelope["signatures"] = json!([bad, bad]);
        let refused = signer.verify(&envelope).unwrap_err();
        assert!(matches!(refused, VerifyError::Altered(_) | VerifyError::Untrusted { .. }), "{bad}: {refused}");
    }
}

#[test]
fn both_base64_alphabets_are_accepted_with_and_without_padding() {
    let signer = Signer::new();
    let signed = signer.sign(&document("1"));
    let payload = STANDARD.decode(signed["payload"].as_str().unwrap()).unwrap();
    let sig = STANDARD.decode(signed["signatures"][0]["sig"].as_str().unwrap()).unwrap();
    for engine in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD] {
        let mut envelope = signed.clone();
        envelope["payload"] = engine.encode(&payload).into();
        envelope["signatures"][0]["sig"] = engine.encode(&sig).into();
        assert_eq!(signer.verify(&envelope), Ok(document("1")));
    }
    let mixed = "-_+/".repeat(20);
    let mut envelope = signed;
    envelope["payload"] = mixed.into();
    assert!(matches!(signer.verify(&envelope), Err(VerifyError::Malformed(_))), "one text has one alphabet");
}

#[test]
fn signatures_with_characters_of_either_alphabet_verify() {
    let signer = Signer::new();
    let mut differing = 0;
    for version in 0..8 {
        let document = document(&version.to_string());
        let signed = signer.sign(&document);
        let standard = signed["signatures"][0]["sig"].as_str().unwrap();
        let url_safe = URL_SAFE.encode(STANDARD.decode(standard).unwrap());
        differing += usize::from(url_safe != standard);
        let mut envelope = signed.clone();
        envelope["signatures"][0]["sig"] = url_safe.into();
        assert_eq!(crate::verify(&envelope, &signer.trusted, &document.id()), Ok(document));
    }
    assert!(differing > 0, "no signature had a character in which the alphabets differ");
}
