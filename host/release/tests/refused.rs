//! Releases and pointers in a store that a host refuses.
//!
//! `load.rs` and `envelope.rs` have the cases of one step each. These tests take the way of a host: from the files of a
//! store to the reason that it reports.

// Clippy's exception for tests covers test functions, not their helpers.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "these are tests")]

mod support;

use std::fs;
use std::path::PathBuf;

use support::{CPU, ENGINE, TARGET, app, artifact, artifacts, document, now, soon, trusting};
use tempfile::TempDir;
use tidegate_release::envelope::VerifyError;
use tidegate_release::store::fs::FolderStore;
use tidegate_release::store::{Consistency, ReleaseReader as _, ReleaseWriter as _, StoreError};
use tidegate_release::verify::{HostProfile, LoadError, load};
use tidegate_release::{Digest, Envelope, ReleaseId, ReleaseManifest, SigningKey, TrustedKeys};

/// A store with a good release, and a host of the stage `prod` that trusts the key `ci`.
struct Subject {
    store: FolderStore,
    ci: SigningKey,
    profile: HostProfile,
    id: ReleaseId,
    _directory: TempDir,
}

impl Subject {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = FolderStore::open(directory.path()).unwrap();
        for artifact in artifacts("1") {
            now(store.put_artifact(&artifact, soon())).unwrap();
        }
        let ci = SigningKey::generate().unwrap();
        let id = document("1").id();
        now(store.put_envelope(&id, &Envelope::sign(&document("1"), [&ci]).to_json(), soon())).unwrap();
        let profile = HostProfile {
            keys: TrustedKeys::of_stage(&trusting([("ci", &ci)]), "prod"),
            engine: ENGINE.to_owned(),
            target: TARGET.to_owned(),
            cpu: CPU.to_owned(),
            wit: "0.1.0".to_owned(),
            app: app(),
        };
        Self { store, ci, profile, id, _directory: directory }
    }

    fn envelope_file(&self) -> PathBuf {
        self.store.dir().join(format!("releases/{}.json", self.id))
    }

    /// Replaces the release by one that this key signed.
    fn sign_with(&self, document: &ReleaseManifest, key: &SigningKey) {
        fs::write(self.envelope_file(), Envelope::sign(document, [key]).to_json()).unwrap();
    }

    fn refusal(&self) -> LoadError {
        now(load(&self.store, &self.id, &self.profile, |_| {}, soon())).unwrap_err()
    }
}

#[test]
fn release_signed_by_an_unknown_key_is_refused() {
    let subject = Subject::new();
    subject.sign_with(&document("1"), &SigningKey::generate().unwrap());
    let refusal = subject.refusal();
    assert!(matches!(refusal, LoadError::Verify(VerifyError::Untrusted { .. })), "{refusal}");
}

#[test]
fn release_signed_by_a_key_of_another_stage_is_refused() {
    let mut subject = Subject::new();
    subject.profile.keys = TrustedKeys::of_stage(&trusting([("ci", &subject.ci)]), "dev");
    let refusal = subject.refusal();
    let LoadError::Verify(VerifyError::Untrusted { stage, .. }) = refusal else { panic!("{refusal}") };
    assert_eq!(stage, "dev");
}

#[test]
fn release_signed_by_a_revoked_key_is_refused() {
    let mut subject = Subject::new();
    let mut keys = trusting([("ci", &subject.ci)]);
    keys.0.get_mut("ci").unwrap().revoked = true;
    subject.profile.keys = TrustedKeys::of_stage(&keys, "prod");
    assert_eq!(subject.refusal(), LoadError::Verify(VerifyError::Revoked("ci".to_owned())));
}

#[test]
fn release_signed_again_by_a_trusted_key_is_loaded() {
    let mut subject = Subject::new();
    let new = SigningKey::generate().unwrap();
    let mut keys = trusting([("ci", &subject.ci), ("new", &new)]);
    keys.0.get_mut("ci").unwrap().revoked = true;
    subject.profile.keys = TrustedKeys::of_stage(&keys, "prod");
    subject.sign_with(&document("1"), &new);
    assert!(now(load(&subject.store, &subject.id, &subject.profile, |_| {}, soon())).is_ok());
}

#[test]
fn release_without_a_signature_is_refused() {
    let subject = Subject::new();
    fs::write(subject.envelope_file(), Envelope::sign(&document("1"), []).to_json()).unwrap();
    assert_eq!(subject.refusal(), LoadError::Verify(VerifyError::Unsigned));
}

#[test]
fn release_with_an_altered_payload_is_refused() {
    let subject = Subject::new();
    let signed: serde_json::Value = serde_json::from_slice(&fs::read(subject.envelope_file()).unwrap()).unwrap();
    let other = Envelope::sign(&document("2"), [&subject.ci]).to_json();
    let mut envelope: serde_json::Value = serde_json::from_slice(&other).unwrap();
    // The signature is that of the good release.
    envelope["signatures"] = signed["signatures"].clone();
    fs::write(subject.envelope_file(), envelope.to_string()).unwrap();
    assert_eq!(subject.refusal(), LoadError::Verify(VerifyError::Altered("ci".to_owned())));
}

#[test]
fn release_of_a_later_format_is_refused() {
    let subject = Subject::new();
    let later = ReleaseManifest { format: 2, ..document("1") };
    subject.sign_with(&later, &subject.ci);
    assert_eq!(subject.refusal(), LoadError::Verify(VerifyError::Format(2)));
}

#[test]
fn release_with_a_truncated_or_missing_artifact_is_refused() {
    for component in ["chat", "guard"] {
        let subject = Subject::new();
        let whole = artifact(component, TARGET, "1");
        let file = subject.store.dir().join("artifacts").join(format!("{}.cwasm", Digest::of(&whole)));
        for length in [0, 1, whole.len() / 2, whole.len() - 1] {
            fs::write(&file, &whole[..length]).unwrap();
            let refusal = subject.refusal();
            assert!(matches!(refusal, LoadError::AlteredArtifact { .. }), "{refusal}");
        }
        fs::remove_file(&file).unwrap();
        let refusal = subject.refusal();
        assert!(matches!(refusal, LoadError::Store(StoreError::NotFound(_))), "{refusal}");
    }
}

#[test]
fn invalid_pointer_is_refused_and_its_file_stays() {
    let subject = Subject::new();
    let path = subject.store.rollout_state_path();
    let invalid =
        ["", "{", "null", "[]", r#"{"generation": -1}"#, r#"{"generation": 9, "active": "../../etc"}"#, "\0\0"];
    for text in invalid {
        fs::write(&path, text).unwrap();
        let read = now(subject.store.rollout_state(Consistency::Strong, soon()));
        assert!(matches!(read, Err(StoreError::Invalid(_))), "{text}: {read:?}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text, "the file stays");
    }
}
