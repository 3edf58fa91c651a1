//! The rollout state and its history.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{RACERS, now, race, release, soon};
use tidegate_release::rollout::{Action, Canary, Change, RolloutState, TrafficWeight};
use tidegate_release::store::{Consistency, ReleaseWriter, StoreError};

/// The maximum lag of an eventually consistent read.
const LAG: Duration = Duration::from_secs(10);

pub(super) async fn new_stores_have_generation_0(store: &dyn ReleaseWriter) {
    for consistency in [Consistency::Eventual, Consistency::Strong] {
        assert_eq!(store.rollout_state(consistency, soon()).await, Ok(RolloutState::default()));
    }
    assert_eq!(store.history(10, soon()).await, Ok(vec![]));
}

pub(super) async fn compare_and_set_replaces_the_state(store: &dyn ReleaseWriter) {
    let mut state = RolloutState::default();
    for number in 1..=3 {
        state = activate(store, &state, number).await.0;
        assert_state(store, &state).await;
    }
    assert_eq!((state.generation, state.active), (3, Some(release(3))));
}

pub(super) async fn states_and_changes_are_read_back_unchanged(store: &dyn ReleaseWriter) {
    let (first, _) = activate(store, &RolloutState::default(), 1).await;
    let canary = Canary {
        release: release(2),
        weight: TrafficWeight::new(25).unwrap(),
        error_budget: u64::MAX,
        error_rate: None,
        run: 2,
    };
    let pruning = BTreeSet::from([release(3), release(4)]);
    let next = RolloutState { generation: 2, canary: Some(canary), pruning, ..first.clone() };
    let why = Some("„why“ \" \\ \n \u{1f980}".to_owned());
    let change = first.change(&next, Action::Canary, now(), "arn:aws:iam::123456789012:user/née".to_owned(), why);
    store.compare_and_set(&next, &change, soon()).await.unwrap();
    assert_state(store, &next).await;
    assert_eq!(store.history(1, soon()).await, Ok(vec![change]));
    // Fields that the next state does not have must disappear.
    let last = RolloutState { generation: 3, ..RolloutState::default() };
    let change = next.change(&last, Action::Rollback, now(), "them".to_owned(), None);
    store.compare_and_set(&last, &change, soon()).await.unwrap();
    assert_state(store, &last).await;
    assert_eq!(store.history(1, soon()).await, Ok(vec![change]));
}

pub(super) async fn compare_and_set_refuses_other_generations(store: &dyn ReleaseWriter) {
    let stale = [RolloutState::default(), at(2), at(u64::MAX)];
    assert_conflicts(store, &stale).await;
    assert_state(store, &RolloutState::default()).await;
    assert_eq!(store.history(10, soon()).await, Ok(vec![]));

    let (first, one) = activate(store, &RolloutState::default(), 1).await;
    let (second, two) = activate(store, &first, 2).await;
    assert_conflicts(store, &[at(0), at(1), at(2), at(4), at(u64::MAX)]).await;
    assert_state(store, &second).await;
    assert_eq!(store.history(10, soon()).await, Ok(vec![two, one]));
}

pub(super) async fn one_of_many_concurrent_changes_succeeds(store: &dyn ReleaseWriter) {
    let mut state = RolloutState::default();
    for _ in 0..4 {
        let changes: Vec<_> = (0..RACERS as u64).map(|racer| next(&state, racer)).collect();
        let results = race(async |racer| store.compare_and_set(&changes[racer].0, &changes[racer].1, soon()).await);
        let winners: Vec<_> = (0..RACERS).filter(|racer| results[*racer].is_ok()).collect();
        let [winner] = winners[..] else { panic!("{} of {RACERS} won: {results:?}", winners.len()) };
        let lost = results.iter().filter(|result| matches!(result, Err(StoreError::Conflict(_)))).count();
        assert_eq!(lost, RACERS - 1, "{results:?}");
        state = changes[winner].0.clone();
        assert_state(store, &state).await;
        let history = store.history(usize::MAX, soon()).await.unwrap();
        assert_eq!(history[0], changes[winner].1);
        assert_eq!(history.len() as u64, state.generation);
    }
}

pub(super) async fn the_history_has_the_newest_change_first(store: &dyn ReleaseWriter) {
    let mut state = RolloutState::default();
    let mut changes = Vec::new();
    // Numbers above 9 reveal an ordering as text.
    for number in 1..=30 {
        let (next, change) = activate(store, &state, number).await;
        state = next;
        changes.insert(0, change);
    }
    for limit in [0, 1, 2, 12, 29] {
        assert_eq!(store.history(limit, soon()).await.as_deref(), Ok(&changes[..limit]), "a limit of {limit}");
    }
    for limit in [30, 31, 1_000_000, usize::MAX] {
        assert_eq!(store.history(limit, soon()).await.as_deref(), Ok(&changes[..]), "a limit of {limit}");
    }
}

pub(super) async fn the_history_is_append_only(store: &dyn ReleaseWriter) {
    let mut state = RolloutState::default();
    let mut before = Vec::new();
    for number in 1..=5 {
        let (next, change) = activate(store, &state, number).await;
        assert_conflicts(store, &[at(number), at(number + 2)]).await;
        let after = store.history(usize::MAX, soon()).await.unwrap();
        assert_eq!(after, [vec![change], before].concat());
        state = next;
        before = after;
    }
}

/// Returns the state that follows `state`, with this release as the active one, and the change.
fn next(state: &RolloutState, number: u64) -> (RolloutState, Change) {
    let next =
        RolloutState { generation: state.generation + 1, active: Some(release(number)), ..RolloutState::default() };
    let change = state.change(&next, Action::Activate, now(), format!("user {number}"), Some("tests".to_owned()));
    (next, change)
}

async fn activate(store: &dyn ReleaseWriter, state: &RolloutState, number: u64) -> (RolloutState, Change) {
    let (next, change) = next(state, number);
    store.compare_and_set(&next, &change, soon()).await.unwrap();
    (next, change)
}

/// Returns a state with this generation. It differs from every other state of a case.
fn at(generation: u64) -> RolloutState {
    RolloutState { generation, active: Some(release(0xbad)), ..RolloutState::default() }
}

async fn assert_conflicts(store: &dyn ReleaseWriter, states: &[RolloutState]) {
    for state in states {
        let change = RolloutState::default().change(state, Action::Activate, now(), "late".to_owned(), None);
        match store.compare_and_set(state, &change, soon()).await {
            Err(StoreError::Conflict(failure)) => assert!(!failure.why.is_empty(), "a conflict has a cause"),
            other => panic!("to generation {}: expected a conflict, got {other:?}", state.generation),
        }
    }
}

/// Asserts that a strong read returns the state, and that an eventual read returns it within [`LAG`].
async fn assert_state(store: &dyn ReleaseWriter, expected: &RolloutState) {
    assert_eq!(store.rollout_state(Consistency::Strong, soon()).await.as_ref(), Ok(expected));
    let eventually = async {
        while store.rollout_state(Consistency::Eventual, soon()).await.as_ref() != Ok(expected) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LAG, eventually).await.unwrap();
}
