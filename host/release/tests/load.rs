//! From a store to a release that a host runs.

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
use tidegate_release::envelope::VerifyError;
use tidegate_release::store::fs::FolderStore;
use tidegate_release::store::{ReleaseReader as _, ReleaseWriter as _, StoreError};
use tidegate_release::verify::{HostProfile, LoadError, load};
use tidegate_release::{Artifact, Digest, Envelope, Release, ReleaseId, ReleaseManifest, SigningKey, TrustedKeys};

/// A store with the release [`document`]`("1")`, and a host that runs it.
struct Subject {
    store: RecordingStore,
    key: SigningKey,
    terms: HostProfile,
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
        let (key, id) = (SigningKey::generate().unwrap(), document.id());
        now(store.put_envelope(&id, &Envelope::sign(document, [&key]).to_json(), soon())).unwrap();
        let terms = HostProfile {
            keys: TrustedKeys::of_stage(&trusting([("ci", &key)]), "prod"),
            engine: ENGINE.to_owned(),
            target: TARGET.to_owned(),
            cpu: CPU.to_owned(),
            wit: "0.1.0".to_owned(),
            app: app(),
        };
        Self { store: RecordingStore::new(store), key, terms, id, _directory: directory }
    }

    fn load(&self) -> Result<Release, LoadError> {
        self.select(|_| {})
    }

    fn select(&self, select: impl Fn(&mut App)) -> Result<Release, LoadError> {
        now(load(&self.store, &self.id, &self.terms, select, soon()))
    }

    fn fetched(&self) -> BTreeSet<Digest> {
        self.store.reads().into_iter().collect()
    }

    fn file(&self, of: &Digest) -> PathBuf {
        self.store.store.dir().join("artifacts").join(format!("{of}.cwasm"))
    }
}

/// The digest of the artifact that a host of these tests loads of a component.
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
    let text = format!("it is for {what} `{found}`, and this host is `{wanted}`; hint: ");
    assert!(matches!(error, LoadError::Incompatible { .. }) && error.to_string().starts_with(&text), "{error}");
    assert!(subject.fetched().is_empty(), "what does not run is not fetched");
}

#[test]
fn a_release_is_loaded_with_the_bytes_that_were_signed() {
    let subject = Subject::new();
    let release = subject.load().unwrap();
    assert_eq!((&release.id, &release.app), (&subject.id, &app()));
    assert!(release.artifacts.keys().eq(["chat", "guard"]));
    for component in ["chat", "guard"] {
        assert_eq!(bytes(&release.artifacts[component]), artifact(component, TARGET, "1"));
    }
    // Those for the other target are not this host's.
    assert_eq!(subject.fetched(), BTreeSet::from([digest("chat"), digest("guard")]));
}

#[test]
fn what_is_not_selected_is_not_fetched() {
    let subject = Subject::new();
    // As the authorizer's function does with routes, and the routes' with the authorizer.
    let release = subject.select(|app| app.routes.retain(|key, _| key.as_str() == "$connect")).unwrap();
    assert!(release.artifacts.keys().eq(["guard"]));
    assert!(release.app.components.iter().eq(["guard"]));
    assert!(release.app.routes.keys().map(|key| key.as_str()).eq(["$connect"]));
    assert_eq!(subject.fetched(), BTreeSet::from([digest("guard")]));
    // What is not fetched may be missing.
    now(subject.store.store.remove_artifact(&digest("chat"), soon())).unwrap();
    assert!(subject.select(|app| app.routes.retain(|key, _| key.as_str() == "$connect")).is_ok());
    assert!(subject.load().is_err());
}

#[test]
fn a_release_that_is_missing_is_not_found() {
    let mut subject = Subject::new();
    subject.id = "0123456789abcdef".parse().unwrap();
    let error = subject.load().unwrap_err();
    assert!(matches!(error, LoadError::Store(StoreError::NotFound(_))), "{error}");
    assert!(error.to_string().starts_with("there is no release `0123456789abcdef` in `"), "{error}");
}

#[test]
fn an_artifact_that_is_missing_is_not_found() {
    let subject = Subject::new();
    now(subject.store.store.remove_artifact(&digest("guard"), soon())).unwrap();
    let error = subject.load().unwrap_err();
    assert!(matches!(error, LoadError::Store(StoreError::NotFound(_))), "{error}");
    assert!(error.to_string().starts_with(&format!("there is no artifact `{}` in `", digest("guard"))), "{error}");
}

#[test]
fn an_artifact_that_was_altered_is_refused() {
    let subject = Subject::new();
    let whole = artifact("guard", TARGET, "1");
    let mut flipped = whole.clone();
    flipped[0] ^= 1;
    for altered in [flipped, whole[..whole.len() - 1].to_vec(), Vec::new(), [whole.as_slice(), b"\0"].concat()] {
        fs::write(subject.file(&digest("guard")), &altered).unwrap();
        let (component, signed, found) = ("guard".to_owned(), digest("guard"), Digest::of(&altered));
        assert_eq!(subject.load().unwrap_err(), LoadError::AlteredArtifact { component, signed, found });
    }
    fs::write(subject.file(&digest("guard")), whole).unwrap();
    assert!(subject.load().is_ok());
}

#[test]
fn one_artifact_in_the_place_of_another_is_refused() {
    let subject = Subject::new();
    fs::copy(subject.file(&digest("chat")), subject.file(&digest("guard"))).unwrap();
    let (component, signed, found) = ("guard".to_owned(), digest("guard"), digest("chat"));
    assert_eq!(subject.load().unwrap_err(), LoadError::AlteredArtifact { component, signed, found });
}

#[test]
fn an_envelope_that_was_altered_is_refused() {
    let subject = Subject::new();
    let path = subject.store.store.dir().join(format!("releases/{}.json", subject.id));
    let whole = fs::read(&path).unwrap();
    for length in [0, 1, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..length]).unwrap();
        let error = subject.load().unwrap_err();
        assert!(matches!(error, LoadError::Verify(VerifyError::Malformed(_))), "{error}");
    }
    // Signed, and with all its artifacts, but another.
    fs::write(&path, Envelope::sign(&document("2"), [&subject.key]).to_json()).unwrap();
    let error = subject.load().unwrap_err();
    assert!(matches!(error, LoadError::Verify(VerifyError::OtherRelease { .. })), "{error}");
    fs::write(&path, Envelope::sign(&document("1"), []).to_json()).unwrap();
    assert_eq!(subject.load().unwrap_err(), LoadError::Verify(VerifyError::Unsigned));
    fs::write(&path, Envelope::sign(&document("1"), [&SigningKey::generate().unwrap()]).to_json()).unwrap();
    let error = subject.load().unwrap_err();
    assert!(matches!(error, LoadError::Verify(VerifyError::Untrusted { .. })), "{error}");
    assert!(subject.fetched().is_empty(), "nothing is fetched before the signature holds");
}

#[test]
fn a_release_for_other_hosts_is_refused() {
    let mut subject = Subject::new();
    subject.terms.engine = "wasmtime-49.0.0/3f1c".to_owned();
    assert_incompatible(&subject, "the engine", ENGINE, "wasmtime-49.0.0/3f1c");
    let mut subject = Subject::new();
    subject.terms.cpu = "x86-64-v2".to_owned();
    assert_incompatible(&subject, "the CPU", CPU, "x86-64-v2");
    let mut subject = Subject::new();
    subject.terms.target = "riscv64gc-unknown-linux-gnu".to_owned();
    let targets = "aarch64-unknown-linux-gnu`, `x86_64-unknown-linux-gnu";
    assert_incompatible(&subject, "the target", targets, "riscv64gc-unknown-linux-gnu");
}

#[test]
fn a_release_of_the_same_minor_version_of_the_wit_package_is_loaded() {
    let mut subject = Subject::new();
    for wit in ["0.1.1", "0.1.10"] {
        subject.terms.wit = wit.to_owned();
        assert!(subject.load().is_ok(), "{wit}");
    }
    let mut subject = Subject::new();
    for wit in ["0.2.0", "1.1.0", "0.10.0", "0", ""] {
        subject.terms.wit = wit.to_owned();
        assert_incompatible(&subject, "the WIT package", "0.1.0", wit);
    }
}

#[test]
fn a_release_of_another_app_is_refused() {
    let mut subject = Subject::new();
    subject.terms.app.name = "shop".to_owned();
    let (found, wanted) = ("chat".to_owned(), "shop".to_owned());
    assert_eq!(subject.load().unwrap_err(), LoadError::OtherApp { found, wanted });
    assert!(subject.fetched().is_empty());
}

#[test]
fn a_release_with_other_routing_is_refused() {
    let mut other = document("1");
    let route = other.app.routes["$default"].clone();
    other.app.routes.insert("join".to_owned().try_into().unwrap(), route);
    let subject = Subject::of(&other);
    let error = subject.load().unwrap_err();
    assert!(matches!(&error, LoadError::OtherRouting(difference) if difference.contains("`join`")), "{error}");
    assert!(error.to_string().ends_with("; hint: make deploy"), "{error}");
    assert!(subject.fetched().is_empty());
}

#[test]
fn other_grants_and_limits_are_the_release_s() {
    let mut other = document("1");
    other.app.routes.get_mut("$default").unwrap().grants.config.insert("motd".to_owned());
    let subject = Subject::of(&other);
    assert_eq!(subject.load().unwrap().app, other.app);
}

#[test]
fn a_release_without_an_artifact_for_a_target_is_malformed() {
    let mut other = document("1");
    other.components.get_mut("chat").unwrap().artifacts.remove(TARGET);
    let error = Subject::of(&other).load().unwrap_err();
    assert!(matches!(error, LoadError::Verify(VerifyError::Malformed(_))), "{error}");
}

#[test]
fn a_release_can_be_loaded_in_the_background() {
    // The future is `Send`, so that a host loads in the background.
    fn send<T: Send>(future: T) -> T {
        future
    }
    let subject = Subject::new();
    assert!(now(send(load(&subject.store, &subject.id, &subject.terms, |_| {}, soon()))).is_ok());
}
