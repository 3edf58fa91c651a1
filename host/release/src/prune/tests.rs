// Clippy's exception for tests covers test functions, not their helpers.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::publish::tests::{published, store};
use crate::publish::verify_complete;
use crate::rollout::TrafficWeight;
use crate::store::ReleaseReader as _;
use crate::store::fs::FolderStore;

const RULES: Rules = Rules { keep: 1, min_age: Duration::ZERO };

fn author() -> Author {
    Author { who: "me".to_owned(), why: Some("tidying up".to_owned()) }
}

/// A time at which everything that these tests have stored is older than zero.
fn now() -> Timestamp {
    Timestamp::now().saturating_add(Duration::from_secs(1))
}

async fn advance(store: &FolderStore, action: Action, next: impl AsyncFnOnce(RolloutState) -> RolloutState) {
    let state = read_state(store).await.unwrap();
    let next = next(state.clone()).await;
    let change = state.change(&next, action, Timestamp::now(), "me".to_owned(), None);
    store.compare_and_set(&next, &change, deadline()).await.unwrap();
}

async fn activate(store: &FolderStore, release: &ReleaseId) {
    advance(store, Action::Activate, async |state| state.activate(release, None).unwrap()).await;
}

async fn canary(store: &FolderStore, release: &ReleaseId) {
    let next = async |state: RolloutState| state.canary(release, TrafficWeight::ALL, 10, None, false).unwrap();
    advance(store, Action::Canary, next).await;
}

async fn is_whole(store: &FolderStore, release: &ReleaseId) -> bool {
    let Ok(envelope) = store.envelope(release, deadline()).await else { return false };
    let document = Envelope::parse(&envelope).unwrap().unverified().unwrap();
    verify_complete(store, &document).await.is_ok()
}

fn set<const N: usize>(releases: [&ReleaseId; N]) -> BTreeSet<ReleaseId> {
    releases.into_iter().cloned().collect()
}

#[tokio::test]
async fn unused_releases_and_their_own_artifacts_are_removed() {
    let (_dir, store) = store();
    let old = published(&store, &["shared", "old"]).await;
    let never_used = published(&store, &["never used"]).await;
    let before = published(&store, &["before"]).await;
    let active = published(&store, &["shared", "active"]).await;
    let tried = published(&store, &["tried"]).await;
    for release in [&old, &before, &active] {
        activate(&store, release).await;
    }
    canary(&store, &tried).await;
    let planned = plan(&store, RULES, now()).await.unwrap();
    let pruned = prune(&store, RULES, now(), &author()).await.unwrap();
    assert_eq!(planned, pruned);
    assert_eq!(pruned.releases, set([&old, &never_used]));
    assert_eq!(pruned.kept, set([&before, &active, &tried]));
    assert_eq!(pruned.artifacts.len(), 4);
    for release in [&before, &active, &tried] {
        assert!(is_whole(&store, release).await);
    }
    assert_eq!(store.list(deadline()).await.unwrap().len(), 3);
    assert_eq!(store.list_artifacts(deadline()).await.unwrap().len(), 8);
    let state = read_state(&store).await.unwrap();
    assert_eq!((state.generation, state.pruning.len(), state.active), (6, 0, Some(active)));
    let last = store.history(1, deadline()).await.unwrap().remove(0);
    assert_eq!((last.action, last.who.as_str(), last.why.as_deref()), (Action::Prune, "me", Some("tidying up")));

    // A second prune changes nothing.
    let again = prune(&store, RULES, now(), &author()).await.unwrap();
    assert_eq!((again.releases.len(), again.artifacts.len(), again.kept.len()), (0, 0, 3));
    assert_eq!(read_state(&store).await.unwrap().generation, 6);
}

#[tokio::test]
async fn releases_of_the_latest_changes_are_kept() {
    let (_dir, store) = store();
    let mut releases = Vec::new();
    for code in ["0", "1", "2", "3", "4"] {
        let release = published(&store, &[code]).await;
        activate(&store, &release).await;
        releases.push(release);
    }
    // Prunes do not count as changes.
    for _ in 0..3 {
        advance(&store, Action::Prune, async |state| state.end_prune().unwrap()).await;
    }
    for (keep, stay) in [(0, 2), (1, 2), (2, 3), (3, 4), (4, 5), (9, 5)] {
        let planned = plan(&store, Rules { keep, ..RULES }, now()).await.unwrap();
        assert_eq!(planned.kept, releases[5 - stay..].iter().cloned().collect(), "{keep}");
    }
}

#[tokio::test]
async fn the_rollback_target_is_kept_after_many_canary_changes() {
    let (_dir, store) = store();
    let before = published(&store, &["before"]).await;
    let active = published(&store, &["active"]).await;
    let tried = published(&store, &["tried"]).await;
    activate(&store, &before).await;
    activate(&store, &active).await;
    for _ in 0..4 {
        canary(&store, &tried).await;
    }
    assert_eq!(plan(&store, RULES, now()).await.unwrap().releases, set([]));
    assert_eq!(plan(&store, RULES, now()).await.unwrap().kept, set([&before, &active, &tried]));
}

#[tokio::test]
async fn young_releases_and_artifacts_are_kept() {
    let (_dir, store) = store();
    let release = published(&store, &["1"]).await;
    store.put_artifact(b"of a publish in progress", deadline()).await.unwrap();
    let rules = Rules { min_age: Duration::from_secs(3_600), ..RULES };
    let pruned = prune(&store, rules, now(), &author()).await.unwrap();
    assert_eq!((pruned.kept, pruned.artifacts.len()), (set([&release]), 0));
    let later = now().saturating_add(Duration::from_secs(3_600));
    let pruned = prune(&store, rules, later, &author()).await.unwrap();
    assert_eq!((pruned.releases, pruned.artifacts.len()), (set([&release]), 3));
}

#[tokio::test]
async fn artifacts_of_interrupted_publishes_are_removed() {
    let (_dir, store) = store();
    let active = published(&store, &["1"]).await;
    activate(&store, &active).await;
    store.put_artifact(b"of no release", deadline()).await.unwrap();
    let pruned = prune(&store, RULES, now(), &author()).await.unwrap();
    assert_eq!((pruned.releases.len(), pruned.artifacts), (0, BTreeSet::from([Digest::of(b"of no release")])));
    assert!(is_whole(&store, &active).await);
}

#[tokio::test]
async fn interrupted_prunes_are_completed_by_the_next() {
    let (_dir, store) = store();
    let first = published(&store, &["1"]).await;
    let second = published(&store, &["2"]).await;
    let third = published(&store, &["3"]).await;
    let active = published(&store, &["4"]).await;
    activate(&store, &active).await;
    let began = set([&first, &second]);
    advance(&store, Action::Prune, async |state| state.begin_prune(began.clone()).unwrap()).await;
    store.remove_envelope(&first, deadline()).await.unwrap();

    // The rules of the next prune would keep these releases.
    let rules = Rules { keep: 10, min_age: Duration::from_secs(3_600) };
    let pruned = prune(&store, rules, now(), &author()).await.unwrap();
    assert_eq!((&pruned.releases, &pruned.resumed), (&began, &began));
    assert_eq!(pruned.kept, set([&third, &active]));
    assert!(read_state(&store).await.unwrap().pruning.is_empty());
    assert_eq!(store.list(deadline()).await.unwrap().len(), 2);
    // The artifacts of the removed releases are still too young.
    assert_eq!(store.list_artifacts(deadline()).await.unwrap().len(), 8);
    assert_eq!(prune(&store, RULES, now(), &author()).await.unwrap().artifacts.len(), 6);
}

#[tokio::test]
async fn unreadable_releases_prevent_pruning() {
    let (_dir, store) = store();
    let old = published(&store, &["1"]).await;
    let active = published(&store, &["2"]).await;
    activate(&store, &active).await;
    store.remove_envelope(&active, deadline()).await.unwrap();
    store.put_envelope(&active, b"{}", deadline()).await.unwrap();
    let refused = prune(&store, RULES, now(), &author()).await.unwrap_err();
    assert!(matches!(&refused, PruneError::Unreadable { id, .. } if *id == active), "{refused}");
    assert!(refused.to_string().contains(active.as_str()));
    assert!(is_whole(&store, &old).await);
    assert_eq!(read_state(&store).await.unwrap().generation, 1);
}

#[tokio::test]
async fn activations_during_a_prune_are_kept() {
    let (_dir, store) = store();
    let first = published(&store, &["1"]).await;
    let second = published(&store, &["2"]).await;
    let going = set([&first]);
    advance(&store, Action::Prune, async |state| state.begin_prune(going.clone()).unwrap()).await;
    activate(&store, &second).await;
    end(&store, &going, &author()).await.unwrap();
    let state = read_state(&store).await.unwrap();
    assert_eq!((state.active, state.pruning.len()), (Some(second), 0));
    // Ending a prune that has already ended changes nothing.
    end(&store, &going, &author()).await.unwrap();
    assert_eq!(read_state(&store).await.unwrap().generation, 3);
}

#[tokio::test]
async fn unused_releases_can_be_withdrawn() {
    let (_dir, store) = store();
    let idle = published(&store, &["1"]).await;
    let active = published(&store, &["2"]).await;
    activate(&store, &active).await;
    assert_eq!(withdraw(&store, &active, &author()).await, Err(PruneError::InUse(active.clone())));
    withdraw(&store, &idle, &author()).await.unwrap();
    assert_eq!(store.list(deadline()).await.unwrap().into_keys().collect::<BTreeSet<_>>(), set([&active]));
    assert!(read_state(&store).await.unwrap().pruning.is_empty());
    assert_eq!(published(&store, &["1"]).await, idle);
    assert!(is_whole(&store, &idle).await && is_whole(&store, &active).await);
}
