//! Releases that hosts refuse, and the error code of each refusal.

// Clippy's exception for tests covers test functions, not their helpers.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "these are tests")]

mod support;

use std::fs;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use support::recording::RecordingStore;
use support::{CPU, ENGINE, TARGET, app, artifact, artifacts, document, now, soon};
use tempfile::TempDir;
use tidegate_app::Keys;
use tidegate_app::keys::Key;
use tidegate_diagnostic::{Code, Diagnostic};
use tidegate_release::envelope::PAYLOAD_TYPE;
use tidegate_release::keys::KeyId;
use tidegate_release::store::ReleaseWriter as _;
use tidegate_release::store::fs::FolderStore;
use tidegate_release::verify::{HostProfile, load};
use tidegate_release::{Digest, Envelope, ReleaseId, ReleaseManifest, SigningKey, TrustedKeys};

/// A store with a good release, and a host that can run it.
struct Subject {
    store: RecordingStore,
    profile: HostProfile,
    /// The id that the host loads.
    id: ReleaseId,
    trusted: SigningKey,
    other_stage: SigningKey,
    revoked: SigningKey,
    _directory: TempDir,
}

impl Subject {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = FolderStore::open(directory.path()).unwrap();
        let [trusted, other_stage, revoked] = [(); 3].map(|()| SigningKey::generate().unwrap());
        let key = |key: &SigningKey, stage: &str, revoked| Key {
            public_key: key.public_key(),
            stages: [stage.to_owned()].into(),
            revoked,
        };
        let keys = Keys(
            [
                ("ci".to_owned(), key(&trusted, "dev", false)),
                ("prod".to_owned(), key(&other_stage, "prod", false)),
                ("revoked".to_owned(), key(&revoked, "dev", true)),
            ]
            .into(),
        );
        let profile = HostProfile {
            keys: TrustedKeys::of_stage(&keys, "dev"),
            engine: ENGINE.to_owned(),
            target: TARGET.to_owned(),
            cpu: CPU.to_owned(),
            wit: "0.1.0".to_owned(),
            app: app(),
        };
        for artifact in artifacts("1") {
            now(store.put_artifact(&artifact, soon())).unwrap();
        }
        let store = RecordingStore::new(store);
        let id = document("1").id();
        let subject = Self { store, profile, id, trusted, other_stage, revoked, _directory: directory };
        subject.write(&Envelope::sign(&document("1"), [&subject.trusted]).to_json());
        subject
    }

    fn envelope_path(&self) -> PathBuf {
        self.store.store.dir().join(format!("releases/{}.json", self.id))
    }

    fn artifact_path(&self, component: &str) -> PathBuf {
        let digest = Digest::of(&artifact(component, TARGET, "1"));
        self.store.store.dir().join(format!("artifacts/{digest}.cwasm"))
    }

    fn read(&self) -> Vec<u8> {
        fs::read(self.envelope_path()).unwrap()
    }

    fn write(&self, envelope: &[u8]) {
        fs::write(self.envelope_path(), envelope).unwrap();
    }

    fn sign(&self, key: &SigningKey) {
        self.write(&Envelope::sign(&document("1"), [key]).to_json());
    }

    /// Stores a changed release, signed by the trusted key, and loads it under its own id.
    fn sign_changed(&mut self, change: impl FnOnce(&mut ReleaseManifest)) {
        let mut changed = document("1");
        change(&mut changed);
        self.id = changed.id();
        self.write(&Envelope::sign(&changed, [&self.trusted]).to_json());
    }

    /// Stores any payload with a valid signature of the trusted key.
    fn sign_payload(&self, payload: &[u8]) {
        let head = format!("DSSEv1 {} {PAYLOAD_TYPE} {} ", PAYLOAD_TYPE.len(), payload.len());
        let signature = BASE64.encode(self.trusted.sign(&[head.as_bytes(), payload].concat()));
        let signature = json!({"keyid": KeyId::of(&self.trusted.public_key()), "sig": signature});
        let envelope =
            json!({"payloadType": PAYLOAD_TYPE, "payload": BASE64.encode(payload), "signatures": [signature]});
        self.write(envelope.to_string().as_bytes());
    }

    fn load(&self) -> Result<(), Diagnostic> {
        now(load(&self.store, &self.id, &self.profile, |_| {}, soon())).map(drop).map_err(Into::into)
    }
}

fn remove_signatures(subject: &mut Subject) {
    let mut envelope: Value = serde_json::from_slice(&subject.read()).unwrap();
    envelope["signatures"] = json!([]);
    subject.write(envelope.to_string().as_bytes());
}

fn alter_payload(subject: &mut Subject) {
    let mut envelope: Value = serde_json::from_slice(&subject.read()).unwrap();
    let mut changed = document("1");
    changed.app.routes.get_mut("$default").unwrap().grants.config.insert("secret".to_owned());
    envelope["payload"] = BASE64.encode(changed.to_json()).into();
    subject.write(envelope.to_string().as_bytes());
}

fn flip_one_bit(subject: &mut Subject) {
    let path = subject.artifact_path("guard");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

fn store_under_another_id(subject: &mut Subject) {
    let envelope = subject.read();
    subject.id = "0123456789abcdef".parse().unwrap();
    subject.write(&envelope);
}

fn add_route(subject: &mut Subject) {
    subject.sign_changed(|manifest| {
        let route = manifest.app.routes["$default"].clone();
        manifest.app.routes.insert("fly".to_owned().try_into().unwrap(), route);
    });
}

/// The name of a case, the change that makes the release bad, and the code of the refusal.
type Case = (&'static str, fn(&mut Subject), Code);

const CASES: &[Case] = &[
    ("revoked key", |subject| subject.sign(&subject.revoked), Code::KeyRevoked),
    ("key of another stage", |subject| subject.sign(&subject.other_stage), Code::KeyUntrusted),
    ("unknown key", |subject| subject.sign(&SigningKey::generate().unwrap()), Code::KeyUntrusted),
    ("no signature", remove_signatures, Code::ReleaseUnsigned),
    ("altered release", alter_payload, Code::ReleaseAltered),
    ("half a release", |subject| subject.write(&subject.read()[..subject.read().len() / 2]), Code::ReleaseMalformed),
    ("empty release", |subject| subject.write(b""), Code::ReleaseMalformed),
    ("not a release", |subject| subject.sign_payload(b"{}"), Code::ReleaseMalformed),
    ("later format", |subject| subject.sign_payload(br#"{"format": 2}"#), Code::ReleaseFormat),
    ("id of another release", store_under_another_id, Code::ReleaseIdMismatch),
    ("missing release", |subject| subject.id = "0123456789abcdef".parse().unwrap(), Code::StoreNotFound),
    ("missing artifact", |subject| fs::remove_file(subject.artifact_path("guard")).unwrap(), Code::StoreNotFound),
    ("altered artifact", flip_one_bit, Code::ArtifactAltered),
    ("shorter artifact", |subject| fs::write(subject.artifact_path("guard"), "x").unwrap(), Code::ArtifactAltered),
    (
        "another app",
        |subject| subject.sign_changed(|manifest| manifest.app.name = "another".to_owned()),
        Code::ReleaseOtherApp,
    ),
    ("different routing", add_route, Code::RoutingDiffers),
    ("another engine", |subject| subject.profile.engine = "other".to_owned(), Code::ReleaseIncompatible),
    ("another CPU", |subject| subject.profile.cpu = "other".to_owned(), Code::ReleaseIncompatible),
    ("another target", |subject| subject.profile.target = "other".to_owned(), Code::ReleaseIncompatible),
    ("another WIT package", |subject| subject.profile.wit = "0.2.0".to_owned(), Code::ReleaseIncompatible),
];

#[test]
fn refused_releases_have_the_code_of_their_problem() {
    assert_eq!(Subject::new().load(), Ok(()));
    for (name, change, code) in CASES {
        let mut subject = Subject::new();
        change(&mut subject);
        let refused = subject.load().unwrap_err();
        assert_eq!(refused.code, *code, "{name}: {refused}");
        assert!(!refused.what.is_empty() && !refused.why.is_empty(), "{name}");
        assert!(refused.hint.is_some() || *code == Code::StoreNotFound, "{name}: {refused}");
        // Nothing is fetched of a release that is refused for its envelope.
        let artifact_problem = name.ends_with("artifact");
        assert_eq!(subject.store.reads().is_empty(), !artifact_problem, "{name}");
    }
}

#[test]
fn repaired_releases_are_loaded() {
    let mut subject = Subject::new();
    flip_one_bit(&mut subject);
    assert!(subject.load().is_err());
    // Publishing again replaces the altered artifact.
    now(subject.store.store.put_artifact(&artifact("guard", TARGET, "1"), soon())).unwrap();
    assert_eq!(subject.load(), Ok(()));
    subject.sign(&subject.revoked);
    assert!(subject.load().is_err());
    subject.sign(&subject.trusted);
    assert_eq!(subject.load(), Ok(()));
}
