// Clippy's exception for tests covers test functions, not their helpers.
#![allow(clippy::unwrap_used)]

use serde_json::json;
use tempfile::TempDir;
use tidegate_event::Timestamp;

use super::*;
use crate::store::ReleaseReader as _;
use crate::store::fs::FolderStore;

pub(crate) const TARGETS: [&str; 2] = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"];

/// Builds a release with a component for each code. Equal codes have equal artifacts in every release.
pub(crate) fn content(codes: &[&str]) -> BuiltRelease {
    let names: Vec<_> = (0..codes.len()).map(|index| format!("c{index}")).collect();
    let routes: BTreeMap<_, _> = names.iter().map(|name| (name, json!({ "component": name }))).collect();
    let app = json!({ "name": "a", "route-selection-expression": "x", "components": names, "routes": routes });
    let compiled = |code: &str| BuiltComponent {
        digest: Digest::of(code.as_bytes()),
        artifacts: TARGETS.map(|target| (target.to_owned(), format!("{code} for {target}").into_bytes())).into(),
    };
    BuiltRelease {
        app: serde_json::from_value(app).unwrap(),
        components: names.iter().zip(codes).map(|(name, code)| (name.clone(), compiled(code))).collect(),
        engine: "engine/1".to_owned(),
        wit: "0.1.0".to_owned(),
        targets: TARGETS.map(|target| (target.to_owned(), "cpu".to_owned())).into(),
        provenance: Provenance { created_at: Timestamp(1), revision: None, tidegate: "0".to_owned() },
    }
}

pub(crate) fn store() -> (TempDir, FolderStore) {
    let dir = tempfile::tempdir().unwrap();
    let store = FolderStore::open(dir.path()).unwrap();
    (dir, store)
}

pub(crate) async fn published(store: &FolderStore, codes: &[&str]) -> ReleaseId {
    publish(store, &content(codes), &[key()]).await.unwrap().id
}

fn key() -> SigningKey {
    SigningKey::generate().unwrap()
}

fn soon() -> Deadline {
    Deadline::after(CALL_TIMEOUT)
}

#[tokio::test]
async fn published_releases_are_complete() {
    let (_dir, store) = store();
    let content = content(&["1", "2", "1"]);
    let published = publish(&store, &content, &[key()]).await.unwrap();
    assert!(published.new);
    assert_eq!(published.id, content.manifest().id());
    let stored = Envelope::parse(&store.envelope(&published.id, soon()).await.unwrap()).unwrap();
    assert_eq!(stored, published.envelope);
    let document = stored.unverified().unwrap();
    assert_eq!(document, content.manifest());
    // Equal components share an artifact for each target.
    assert_eq!((document.artifacts().len(), store.list_artifacts(soon()).await.unwrap().len()), (4, 4));
    assert_eq!(verify_complete(&store, &document).await, Ok(()));
}

#[tokio::test]
async fn publishing_again_keeps_the_first_signatures() {
    let (_dir, store) = store();
    let first = publish(&store, &content(&["1"]), &[key()]).await.unwrap();
    let mut later = content(&["1"]);
    later.provenance =
        Provenance { created_at: Timestamp(2), revision: Some("r".to_owned()), tidegate: "1".to_owned() };
    let second = publish(&store, &later, &[key(), key()]).await.unwrap();
    assert_eq!(second, Published { new: false, ..first });
}

#[tokio::test]
async fn publishing_again_stores_missing_artifacts() {
    let (_dir, store) = store();
    let content = content(&["1", "2"]);
    publish(&store, &content, &[key()]).await.unwrap();
    let document = content.manifest();
    let artifact = document.components["c1"].artifacts[TARGETS[1]].digest;
    store.remove_artifact(&artifact, soon()).await.unwrap();
    let incomplete = verify_complete(&store, &document).await.unwrap_err();
    let expected = PublishError::Incomplete {
        id: document.id(),
        missing: 1,
        all: 4,
        component: "c1".to_owned(),
        target: TARGETS[1].to_owned(),
    };
    assert_eq!(incomplete, expected);
    assert_eq!(Diagnostic::from(incomplete).code, Code::ReleaseIncomplete);
    assert!(!publish(&store, &content, &[key()]).await.unwrap().new);
    assert_eq!(verify_complete(&store, &document).await, Ok(()));
}

#[tokio::test]
async fn different_releases_with_the_same_id_are_refused() {
    let (_dir, store) = store();
    let first = content(&["1"]);
    let id = publish(&store, &first, &[key()]).await.unwrap().id;
    let mut recompiled = first.clone();
    recompiled.components.get_mut("c0").unwrap().artifacts.insert(TARGETS[0].to_owned(), b"otherwise".to_vec());
    let mut for_another_cpu = first.clone();
    for_another_cpu.targets.insert(TARGETS[0].to_owned(), "better".to_owned());
    let mut of_another_wit = first.clone();
    of_another_wit.wit = "0.1.1".to_owned();
    for (other, what) in [
        (recompiled, "other artifacts of the component `c0`"),
        (for_another_cpu, "artifacts for other targets or CPUs"),
        (of_another_wit, "version `0.1.0` of the WIT package, not `0.1.1`"),
    ] {
        let refused = publish(&store, &other, &[key()]).await.unwrap_err();
        assert_eq!(refused, PublishError::Different { id: id.clone(), what: what.to_owned() });
    }
    // The artifacts of the refused releases are not stored.
    assert_eq!(store.list_artifacts(soon()).await.unwrap().len(), 2);
}

#[tokio::test]
async fn unreadable_releases_are_not_replaced() {
    let (_dir, store) = store();
    let content = content(&["1"]);
    let id = content.manifest().id();
    store.put_envelope(&id, b"{}", soon()).await.unwrap();
    assert!(matches!(publish(&store, &content, &[key()]).await, Err(PublishError::Unreadable { .. })));
    assert_eq!(store.envelope(&id, soon()).await.unwrap(), b"{}");
}

#[tokio::test]
async fn invalid_releases_are_not_published() {
    let (_dir, store) = store();
    let mut without_a_target = content(&["1"]);
    without_a_target.components.get_mut("c0").unwrap().artifacts.remove(TARGETS[0]);
    let keys: Vec<_> = (0..17).map(|_| key()).collect();
    for (content, keys) in [(&without_a_target, &keys[..1]), (&content(&["1"]), &keys[..])] {
        assert!(matches!(publish(&store, content, keys).await, Err(PublishError::Refused(_))));
    }
    assert!(store.list(soon()).await.unwrap().is_empty());
}
