//! Tests of loading a release from a store.

// Clippy's exception for tests covers test functions, not their helpers.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "these are tests")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use support::recording::RecordingStore;
use support::{CPU, ENGINE, TARGET, app, artifact, artifacts, document, now, soon, trusting};
use tempfile::TempDir;
use tidegate_app::App;
use tidegate_diagnostic::{Code, Diagnostic};
use tidegate_release::envelope::VerifyError;
use tidegate_release::store::fs::FolderStore;
use tidegate_release::store::{ReleaseWriter as _, StoreError};
use tidegate_release::verify::{HostProfile, LoadError, load};
use tidegate_release::{Artifact, Digest, Envelope, Release, ReleaseId, ReleaseManifest, SigningKey, TrustedKeys};

/// A store with the release [`document`]`("1")` and a host that can run it.
struct Subject {
    store: RecordingStore,
    key: SigningKey,
    profile: HostProfile,
    id: ReleaseId,
    _directory: TempDir,
}

impl Subject {
    fn new() -> Self {
        Self::of(&document("1"))
    }

    fn of(document: &ReleaseManifest) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = FolderStore::open(directory.path()).unwrap();
        for artifact in artifacts("1") {
            now(store.put_artifact(&artifact, soon())).unwrap();
        }
        let key = SigningKey::generate().unwrap();
        let id = document.id();
        now(store.put_envelope(&id, &Envelope::sign(document, [&key]).to_json(), soon())).unwrap();
        let profile = HostProfile {
            keys: TrustedKeys::of_stage(&trusting([("ci", &key)]), "prod"),
            engine: ENGINE.to_owned(),
            target: TARGET.to_owned(),
            cpu: CPU.to_owned(),
            wit: "0.1.0".to_owned(),
            app: app(),
        };
        Self { store: RecordingStore::new(store), key, profile, id, _directory: directory }
    }

    fn load(&self) -> Result<Release, LoadError> {
        self.select(|_| {})
    }

    fn select(&self, select: impl Fn(&mut App)) -> Result<Release, LoadError> {
        now(load(&self.store, &self.id, &self.profile, select, soon()))
    }

    fn fetched(&self) -> BTreeSet<Digest> {
        self.store.reads().into_iter().collect()
    }

    fn file(&self, of: &Digest) -> PathBuf {
        self.store.store.dir().join("artifacts").join(format!("{of}.cwasm"))
    }
}

/// Returns the digest of the artifact of a component for the host of these tests.
fn digest(component: &str) -> Digest {
    Digest::of(&artifact(component, TARGET, "1"))
}

fn bytes(artifact: &Artifact) -> &[u8] {
    let Artifact::Verified(verified) = artifact else { panic!("{artifact:?}") };
    verified.bytes()
}

#[track_caller]
fn assert_incompatible(subject: &Subject, what: &str, found: &str, wanted: &str) {
    let error = subject.load().unwrap_err();
    match error {
        LoadError::Incompatible { what: property, found: release, wanted: host } => {
            assert_eq!((property, release.as_str(), host.as_str()), (what, found, wanted));
        }
        other => panic!("{other:?}"),
    }
    assert!(subject.fetched().is_empty(), "an incompatible release is not fetched");
}

#[test]
fn releases_are_loaded_with_the_signed_bytes() {
    let subject = Subject::new();
    let release = subject.load().unwrap();
    assert_eq!((&release.id, &release.app), (&subject.id, &app()));
    assert!(release.artifacts.keys().eq(["chat", "guard"]));
    for component in ["chat", "guard"] {
        assert_eq!(bytes(&release.artifacts[component]), artifact(component, TARGET, "1"));
    }
    // Artifacts for the other target are not fetched.
    assert_eq!(subject.fetched(), BTreeSet::from([digest("chat"), digest("guard")]));
}

#[test]
fn unselected_components_are_not_fetched() {
    let subject = Subject::new();
    // The functions of the authorizer and of the routes select their own components.
    let release = subject.select(|app| app.routes.retain(|key, _| key.as_str() == "$connect")).unwrap();
    assert!(release.artifacts.keys().eq(["guard"]));
    assert!(release.app.components.iter().eq(["guard"]));
    assert!(release.app.routes.keys().map(|key| key.as_str()).eq(["$connect"]));
    assert_eq!(subject.fetched(), BTreeSet::from([digest("guard")]));
    // Artifacts that are not fetched may be missing.
    now(subject.store.store.remove_artifact(&digest("chat"), soon())).unwrap();
    assert!(subject.select(|app| app.routes.retain(|key, _| key.as_str() == "$connect")).is_ok());
    assert!(subject.load().is_err());
}

#[test]
fn missing_releases_are_not_found() {
    let mut subject = Subject::new();
    subject.id = "0123456789abcdef".parse().unwrap();
    let error = subject.load().unwrap_err();
    assert!(matches!(error, LoadError::Store(StoreError::NotFound(_))), "{error}");
    assert!(error.to_string().contains("the release `0123456789abcdef` from `"), "{error}");
}

#[test]
fn missing_artifacts_are_not_found() {
    let subject = Subject::new();
    now(subject.store.store.remove_artifact(&digest("guard"), soon())).unwrap();
    let error = subject.load().unwrap_err();
    assert!(matches!(error, LoadError::Store(StoreError::NotFound(_))), "{error}");
    assert!(error.to_string().contains(&format!("the artifact `{}` from `", digest("guard"))), "{error}");
}

#[test]
fn altered_artifacts_are_refused() {
    let subject = Subject::new();
    let whole = artifact("guard", TARGET, "1");
    let mut flipped = whole.clone();
    flipped[0] ^= 1;
    for altered in [flipped, whole[..whole.len() - 1].to_vec(), Vec::new()] {
        fs::write(subject.file(&digest("guard")), &altered).unwrap();
        let found = Digest::of(&altered);
        let expected = LoadError::AlteredArtifact { component: "guard".to_owned(), signed: digest("guard"), found };
        assert_eq!(subject.load().unwrap_err(), expected);
    }
    fs::write(subject.file(&digest("guard")), [whole.as_slice(), b"\0"].concat()).unwrap();
    let signed = whole.len() as u64;
    let expected = LoadError::OversizedArtifact { component: "guard".to_owned(), signed };
    assert_eq!(subject.load().unwrap_err(), expected);
    fs::write(subject.file(&digest("guard")), whole).unwrap();
    assert!(subject.load().is_ok());
}

#[test]
fn swapped_artifacts_are_refused() {
    let subject = Subject::new();
    fs::copy(subject.file(&digest("chat")), subject.file(&digest("guard"))).unwrap();
    let found = digest("chat");
    let expected = LoadError::AlteredArtifact { component: "guard".to_owned(), signed: digest("guard"), found };
    assert_eq!(subject.load().unwrap_err(), expected);
}

#[test]
fn altered_envelopes_are_refused() {
    let subject = Subject::new();
    let path = subject.store.store.dir().join(format!("releases/{}.json", subject.id));
    let whole = fs::read(&path).unwrap();
    for length in [0, 1, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..length]).unwrap();
        let error = subject.load().unwrap_err();
        assert!(matches!(error, LoadError::Verify(VerifyError::Malformed(_))), "{error}");
    }
    // The stored release is signed and complete, but it is another one.
    fs::write(&path, Envelope::sign(&document("2"), [&subject.key]).to_json()).unwrap();
    let error = subject.load().unwrap_err();
    assert!(matches!(error, LoadError::Verify(VerifyError::OtherRelease { .. })), "{error}");
    fs::write(&path, Envelope::sign(&document("1"), []).to_json()).unwrap();
    assert_eq!(subject.load().unwrap_err(), LoadError::Verify(VerifyError::Unsigned));
    fs::write(&path, Envelope::sign(&document("1"), [&SigningKey::generate().unwrap()]).to_json()).unwrap();
    let error = subject.load().unwrap_err();
    assert!(matches!(error, LoadError::Verify(VerifyError::Untrusted { .. })), "{error}");
    assert!(subject.fetched().is_empty(), "no artifact is fetched before the signature is verified");
}

#[test]
fn releases_for_other_hosts_are_refused() {
    let mut subject = Subject::new();
    subject.profile.engine = "wasmtime-49.0.0/3f1c".to_owned();
    assert_incompatible(&subject, "the engine", ENGINE, "wasmtime-49.0.0/3f1c");
    let mut subject = Subject::new();
    subject.profile.cpu = "x86-64-v2".to_owned();
    assert_incompatible(&subject, "the CPU", CPU, "x86-64-v2");
    let mut subject = Subject::new();
    subject.profile.target = "riscv64gc-unknown-linux-gnu".to_owned();
    let targets = "aarch64-unknown-linux-gnu`, `x86_64-unknown-linux-gnu";
    assert_incompatible(&subject, "the target", targets, "riscv64gc-unknown-linux-gnu");
}

#[test]
fn releases_with_another_patch_version_of_the_wit_package_are_loaded() {
    let mut subject = Subject::new();
    for wit in ["0.1.1", "0.1.10"] {
        subject.profile.wit = wit.to_owned();
        assert!(subject.load().is_ok(), "{wit}");
    }
    let mut subject = Subject::new();
    for wit in ["0.2.0", "1.1.0", "0.10.0", "0", ""] {
        subject.profile.wit = wit.to_owned();
        assert_incompatible(&subject, "the WIT package", "0.1.0", wit);
    }
}

#[test]
fn releases_of_other_apps_are_refused() {
    let mut subject = Subject::new();
    subject.profile.app.name = "shop".to_owned();
    let expected = LoadError::OtherApp { found: "chat".to_owned(), wanted: "shop".to_owned() };
    assert_eq!(subject.load().unwrap_err(), expected);
    assert!(subject.fetched().is_empty());
}

#[test]
fn releases_with_other_routing_are_refused() {
    let mut other = document("1");
    let route = other.app.routes["$default"].clone();
    other.app.routes.insert("join".to_owned().try_into().unwrap(), route);
    let subject = Subject::of(&other);
    let error = subject.load().unwrap_err();
    assert!(matches!(&error, LoadError::OtherRouting(difference) if difference.contains("`join`")), "{error}");
    let diagnostic = Diagnostic::from(error);
    assert_eq!(diagnostic.code, Code::RoutingDiffers);
    assert!(diagnostic.hint.unwrap().contains("make deploy"));
    assert!(subject.fetched().is_empty());
}

#[test]
fn grants_and_limits_come_from_the_release() {
    let mut other = document("1");
    other.app.routes.get_mut("$default").unwrap().grants.config.insert("motd".to_owned());
    let subject = Subject::of(&other);
    assert_eq!(subject.load().unwrap().app, other.app);
}

#[test]
fn releases_without_an_artifact_for_a_target_are_malformed() {
    let mut other = document("1");
    other.components.get_mut("chat").unwrap().artifacts.remove(TARGET);
    let error = Subject::of(&other).load().unwrap_err();
    assert!(matches!(error, LoadError::Verify(VerifyError::Malformed(_))), "{error}");
}

#[test]
fn releases_can_be_loaded_in_the_background() {
    // A background task needs a `Send` future.
    fn send<T: Send>(future: T) -> T {
        future
    }
    let subject = Subject::new();
    assert!(now(send(load(&subject.store, &subject.id, &subject.profile, |_| {}, soon()))).is_ok());
}
