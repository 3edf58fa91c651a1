//! The pointer and its history.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{RACERS, now, race, release, soon};
use tidegate_release::rollout::{Action, Canary, Change, RolloutState, TrafficWeight};
use tidegate_release::store::{Consistency, ReleaseWriter, StoreError};

/// How long an eventually consistent read may be behind.
const LAG: Duration = Duration::from_secs(10);

pub(super) async fn a_fresh_pointer_is_of_generation_0(store: &dyn ReleaseWriter) {
    for consistency in [Consistency::Eventual, Consistency::Strong] {
        assert_eq!(store.rollout_state(consistency, soon()).await, Ok(RolloutState::default()));
    }
    assert_eq!(store.history(10, soon()).await, Ok(vec![]));
}

pub(super) async fn an_advance_is_the_pointer(store: &dyn ReleaseWriter) {
    let mut pointer = RolloutState::default();
    for number in 1..=3 {
        pointer = activate(store, &pointer, number).await.0;
        assert_pointer(store, &pointer).await;
    }
    assert_eq!((pointer.generation, pointer.active), (3, Some(release(3))));
}

pub(super) async fn a_pointer_and_its_change_come_back_whole(store: &dyn ReleaseWriter) {
    let (first, _) = activate(store, &RolloutState::default(), 1).await;
    let canary =
        Canary { release: release(2), weight: TrafficWeight::new(25).unwrap(), error_budget: u64::MAX, run: 2 };
    let pruning = BTreeSet::from([release(3), release(4)]);
    let next = RolloutState { generation: 2, canary: Some(canary), pruning, ..first.clone() };
    let why = Some("„why“ \" \\ \n \u{1f980}".to_owned());
    let change = first.change(&next, Action::Canary, now(), "arn:aws:iam::123456789012:user/née".to_owned(), why);
    store.compare_and_set(&next, &change, soon()).await.unwrap();
    assert_pointer(store, &next).await;
    assert_eq!(store.history(1, soon()).await, Ok(vec![change]));
    // What a pointer no longer names is not left of the one before.
    let last = RolloutState { generation: 3, ..RolloutState::default() };
    let change = next.change(&last, Action::Rollback, now(), "them".to_owned(), None);
    store.compare_and_set(&last, &change, soon()).await.unwrap();
    assert_pointer(store, &last).await;
    assert_eq!(store.history(1, soon()).await, Ok(vec![change]));
}

pub(super) async fn an_advance_from_another_generation_changes_nothing(store: &dyn ReleaseWriter) {
    let stale = [RolloutState::default(), at(2), at(u64::MAX)];
    assert_conflicts(store, &stale).await;
    assert_pointer(store, &RolloutState::default()).await;
    assert_eq!(store.history(10, soon()).await, Ok(vec![]));

    let (first, one) = activate(store, &RolloutState::default(), 1).await;
    let (second, two) = activate(store, &first, 2).await;
    assert_conflicts(store, &[at(0), at(1), at(2), at(4), at(u64::MAX)]).await;
    assert_pointer(store, &second).await;
    assert_eq!(store.history(10, soon()).await, Ok(vec![two, one]));
}

pub(super) async fn one_of_many_advances_at_once_wins(store: &dyn ReleaseWriter) {
    let mut pointer = RolloutState::default();
    for _ in 0..4 {
        let moves: Vec<_> = (0..RACERS as u64).map(|racer| next(&pointer, racer)).collect();
        let results = race(async |racer| store.compare_and_set(&moves[racer].0, &moves[racer].1, soon()).await);
        let winners: Vec<_> = (0..RACERS).filter(|racer| results[*racer].is_ok()).collect();
        let [winner] = winners[..] else { panic!("{} of {RACERS} won: {results:?}", winners.len()) };
        let lost = results.iter().filter(|result| matches!(result, Err(StoreError::Conflict(_)))).count();
        assert_eq!(lost, RACERS - 1, "{results:?}");
        pointer = moves[winner].0.clone();
        assert_pointer(store, &pointer).await;
        let history = store.history(usize::MAX, soon()).await.unwrap();
        assert_eq!(history[0], moves[winner].1);
        assert_eq!(history.len() as u64, pointer.generation);
    }
}

pub(super) async fn history_is_newest_first(store: &dyn ReleaseWriter) {
    let (mut pointer, mut changes) = (RolloutState::default(), Vec::new());
    // Past 9, so that numbers are not ordered as text.
    for number in 1..=30 {
        let (next, change) = activate(store, &pointer, number).await;
        pointer = next;
        changes.insert(0, change);
    }
    for limit in [0, 1, 2, 12, 29] {
        assert_eq!(store.history(limit, soon()).await.as_deref(), Ok(&changes[..limit]), "a limit of {limit}");
    }
    for limit in [30, 31, 1_000_000, usize::MAX] {
        assert_eq!(store.history(limit, soon()).await.as_deref(), Ok(&changes[..]), "a limit of {limit}");
    }
}

pub(super) async fn history_is_only_appended_to(store: &dyn ReleaseWriter) {
    let (mut pointer, mut before) = (RolloutState::default(), Vec::new());
    for number in 1..=5 {
        let (next, change) = activate(store, &pointer, number).await;
        assert_conflicts(store, &[at(number), at(number + 2)]).await;
        let after = store.history(usize::MAX, soon()).await.unwrap();
        assert_eq!(after, [vec![change], before].concat());
        (pointer, before) = (next, after);
    }
}

/// The pointer on this release after `pointer`, and the change.
fn next(pointer: &RolloutState, number: u64) -> (RolloutState, Change) {
    let next =
        RolloutState { generation: pointer.generation + 1, active: Some(release(number)), ..RolloutState::default() };
    let change = pointer.change(&next, Action::Activate, now(), format!("user {number}"), Some("tests".to_owned()));
    (next, change)
}

async fn activate(store: &dyn ReleaseWriter, pointer: &RolloutState, number: u64) -> (RolloutState, Change) {
    let (next, change) = next(pointer, number);
    store.compare_and_set(&next, &change, soon()).await.unwrap();
    (next, change)
}

/// A pointer of this generation, unlike any other of a case.
fn at(generation: u64) -> RolloutState {
    RolloutState { generation, active: Some(release(0xbad)), ..RolloutState::default() }
}

async fn assert_conflicts(store: &dyn ReleaseWriter, pointers: &[RolloutState]) {
    for pointer in pointers {
        let change = RolloutState::default().change(pointer, Action::Activate, now(), "late".to_owned(), None);
        match store.compare_and_set(pointer, &change, soon()).await {
            Err(StoreError::Conflict(reason)) => assert!(!reason.is_empty(), "a conflict says with what"),
            other => panic!("to generation {}: expected a conflict, got {other:?}", pointer.generation),
        }
    }
}

/// A strong read sees the pointer, and an eventual one does before long.
async fn assert_pointer(store: &dyn ReleaseWriter, expected: &RolloutState) {
    assert_eq!(store.rollout_state(Consistency::Strong, soon()).await.as_ref(), Ok(expected));
    let eventually = async {
        while store.rollout_state(Consistency::Eventual, soon()).await.as_ref() != Ok(expected) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LAG, eventually).await.unwrap();
}
