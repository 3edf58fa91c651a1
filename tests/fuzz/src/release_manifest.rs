//! The manifest of a release, which is the payload of an envelope.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use arbitrary::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::json;
use tidegate_app::keys::Key;
use tidegate_app::{App, Keys};
use tidegate_diagnostic::Diagnostic;
use tidegate_event::Timestamp;
use tidegate_release::envelope::PAYLOAD_TYPE;
use tidegate_release::manifest::{ArtifactRecord, Component, FORMAT, Provenance};
use tidegate_release::{Digest, Envelope, ReleaseManifest, SigningKey, TrustedKeys};

use crate::values::{Source, bytes, count, option, text};

/// The DER bytes before the seed of a private key in PKCS#8 (RFC 8410, section 7).
const PKCS8_PREFIX: [u8; 16] = *b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
const STAGE: &str = "prod";

/// A manifest that is read has one text, which can be signed, verified, and read as the same manifest.
pub fn release_manifest(data: &[u8]) {
    let unsigned = json!({"payloadType": PAYLOAD_TYPE, "payload": BASE64.encode(data), "signatures": []});
    match Envelope::parse(unsigned.to_string().as_bytes()).expect("the envelope is well-formed").unverified() {
        Ok(manifest) => round_trips(&manifest),
        Err(error) => assert!(!Diagnostic::from(error).report().is_empty()),
    }
    round_trips(&made(&mut Source::new(data)).expect("an exhausted source still makes values"));
}

fn round_trips(manifest: &ReleaseManifest) {
    let json = manifest.to_json();
    let again: ReleaseManifest = serde_json::from_slice(&json).expect("a manifest can be read again");
    assert_eq!((&again, again.to_json(), again.id()), (manifest, json, manifest.id()));
    let stored = Envelope::sign(manifest, [&*SIGNING_KEY]).to_json();
    let verified = Envelope::parse(&stored).unwrap().verify(&TRUSTED, &manifest.id());
    assert_eq!(verified.expect("a signed release is verified").manifest(), manifest);
}

/// A key that is the same in every run, so that an input means the same in every run.
pub(crate) static SIGNING_KEY: LazyLock<SigningKey> = LazyLock::new(|| {
    let contents = BASE64.encode([PKCS8_PREFIX.as_slice(), &[7; 32]].concat());
    let label = "PRIVATE KEY";
    SigningKey::from_pem(&format!("-----BEGIN {label}-----\n{contents}\n-----END {label}-----\n")).unwrap()
});

/// The keys of a stage that trusts [`SIGNING_KEY`].
pub(crate) static TRUSTED: LazyLock<TrustedKeys> = LazyLock::new(|| {
    let key = Key { public_key: SIGNING_KEY.public_key(), stages: [STAGE.to_owned()].into(), revoked: false };
    TrustedKeys::of_stage(&Keys(BTreeMap::from([("ci".to_owned(), key)])), STAGE)
});

/// Makes the manifest of an app with two components.
pub(crate) fn made(source: &mut Source<'_>) -> Result<ReleaseManifest> {
    let json = json!({
        "name": "chat", "route-selection-expression": "$request.body.action", "components": ["chat", "guard"],
        "routes": {"$connect": {"component": "guard"}, "$default": {"component": "chat", "response": true}},
    });
    let app = App::from_json(Path::new("app.json"), json.to_string().as_bytes()).unwrap();
    let length = count(source, 0, 3)?;
    let targets: BTreeMap<_, _> =
        (0..length).map(|_| Ok((text(source, 0, 8)?, text(source, 0, 8)?))).collect::<Result<_>>()?;
    let components = app.components.iter().map(|name| Ok((name.clone(), component(source, &targets)?)));
    Ok(ReleaseManifest {
        format: FORMAT,
        components: components.collect::<Result<_>>()?,
        app,
        engine: text(source, 0, 12)?,
        wit: text(source, 0, 8)?,
        targets,
        provenance: Provenance {
            created_at: Timestamp(source.arbitrary()?),
            revision: option(source, |source| text(source, 0, 12))?,
            tidegate: text(source, 0, 8)?,
        },
    })
}

fn component(source: &mut Source<'_>, targets: &BTreeMap<String, String>) -> Result<Component> {
    let record = |source: &mut Source<'_>| {
        Ok(ArtifactRecord { digest: Digest::of(&bytes(source, 4)?), size: source.arbitrary()? })
    };
    let artifacts = targets.keys().map(|target| Ok((target.clone(), record(source)?))).collect::<Result<_>>()?;
    Ok(Component { digest: Digest::of(&bytes(source, 4)?), artifacts })
}
