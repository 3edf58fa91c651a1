//! Artifacts and signed releases.

use std::collections::BTreeMap;
use std::fmt::Debug;

use tidegate_event::Timestamp;

use super::{RACERS, now, race, release, soon};
use tidegate_release::digest::Digest;
use tidegate_release::store::{ReleaseWriter, StoreError, Stored};

/// The signed size of each artifact.
const MAX_BYTES: u64 = 64 << 20;
/// The maximum difference between the test's clock and the store's clock, which may count whole seconds.
const SKEW_MILLIS: u64 = 60_000;

pub(super) async fn unpublished_objects_are_not_found(store: &dyn ReleaseWriter) {
    assert_not_found(store.envelope(&release(1), soon()).await);
    assert_not_found(store.artifact(&Digest::of(b"never"), MAX_BYTES, soon()).await);
    store.put_envelope(&release(2), b"{}", soon()).await.unwrap();
    store.put_artifact(b"another", soon()).await.unwrap();
    assert_not_found(store.envelope(&release(1), soon()).await);
    assert_not_found(store.artifact(&Digest::of(b"never"), MAX_BYTES, soon()).await);
}

pub(super) async fn artifacts_are_read_back_unchanged(store: &dyn ReleaseWriter) {
    let artifacts = [b"\x7fELF\r\n\0\xff\xfe".to_vec(), (0..=255).collect(), Vec::new(), noise(1 << 20)];
    for bytes in &artifacts {
        assert_eq!(store.put_artifact(bytes, soon()).await, Ok(true), "{} bytes", bytes.len());
    }
    for bytes in &artifacts {
        let found = store.artifact(&Digest::of(bytes), MAX_BYTES, soon()).await.unwrap();
        assert!(found == *bytes, "an artifact of {} bytes came back with {}", bytes.len(), found.len());
    }
}

pub(super) async fn artifacts_are_stored_once(store: &dyn ReleaseWriter) {
    for expected in [true, false, false] {
        assert_eq!(store.put_artifact(b"artifact", soon()).await, Ok(expected));
        assert_eq!(
            store.artifact(&Digest::of(b"artifact"), MAX_BYTES, soon()).await.as_deref(),
            Ok(b"artifact".as_slice())
        );
    }
    assert_eq!(store.put_artifact(b"another", soon()).await, Ok(true));
    assert_eq!(store.list_artifacts(soon()).await.map(|all| all.len()), Ok(2));
}

pub(super) async fn artifacts_can_be_stored_concurrently(store: &dyn ReleaseWriter) {
    let bytes = noise(100_000);
    for result in race(async |_| store.put_artifact(&bytes, soon()).await) {
        result.unwrap();
    }
    assert!(store.artifact(&Digest::of(&bytes), MAX_BYTES, soon()).await.unwrap() == bytes);
    assert_eq!(store.list_artifacts(soon()).await.map(|all| all.len()), Ok(1));
}

pub(super) async fn envelopes_are_read_back_unchanged(store: &dyn ReleaseWriter) {
    // A store does not validate envelopes.
    for (number, bytes) in [(1, b"{\"a\": \"\xc3\xa9\"}\r\n".to_vec()), (2, vec![0, 0xff, 0xfe]), (3, noise(200_000))] {
        assert_eq!(store.put_envelope(&release(number), &bytes, soon()).await, Ok(Stored::New));
        assert!(store.envelope(&release(number), soon()).await.unwrap() == bytes, "envelope {number}");
    }
}

pub(super) async fn stored_envelopes_are_not_replaced(store: &dyn ReleaseWriter) {
    let id = release(1);
    let first = b"first".to_vec();
    assert_eq!(store.put_envelope(&id, &first, soon()).await, Ok(Stored::New));
    for other in [b"first".as_slice(), b"other", b"first, and more", b""] {
        assert_eq!(store.put_envelope(&id, other, soon()).await, Ok(Stored::Already(first.clone())));
        assert_eq!(store.envelope(&id, soon()).await.as_ref(), Ok(&first));
    }
}

pub(super) async fn one_of_many_concurrent_envelopes_is_stored(store: &dyn ReleaseWriter) {
    for number in 0..4 {
        let id = release(number);
        let envelopes: Vec<_> =
            (0..RACERS).map(|racer| format!("envelope {racer}").repeat(1_000).into_bytes()).collect();
        let results = race(async |racer| store.put_envelope(&id, &envelopes[racer], soon()).await.unwrap());
        let winners: Vec<_> = (0..RACERS).filter(|racer| results[*racer] == Stored::New).collect();
        let [winner] = winners[..] else { panic!("{} of {RACERS} are new", winners.len()) };
        let already = Stored::Already(envelopes[winner].clone());
        assert_eq!(
            results.iter().filter(|result| **result == already).count(),
            RACERS - 1,
            "all callers see the same envelope"
        );
        assert!(store.envelope(&id, soon()).await.unwrap() == envelopes[winner]);
    }
}

pub(super) async fn releases_are_listed(store: &dyn ReleaseWriter) {
    assert_eq!(store.list(soon()).await, Ok(BTreeMap::new()));
    let before = now();
    for number in 0..30 {
        store.put_envelope(&release(number), format!("{number}").as_bytes(), soon()).await.unwrap();
    }
    store.put_artifact(b"no release", soon()).await.unwrap();
    let listed = store.list(soon()).await.unwrap();
    assert!(listed.keys().cloned().eq((0..30).map(release)), "{listed:?}");
    assert_stored_since(before, &listed);
}

pub(super) async fn artifacts_are_listed(store: &dyn ReleaseWriter) {
    assert_eq!(store.list_artifacts(soon()).await, Ok(BTreeMap::new()));
    let before = now();
    let mut artifacts = BTreeMap::new();
    for number in 0..30 {
        let bytes = format!("artifact {number}").into_bytes();
        store.put_artifact(&bytes, soon()).await.unwrap();
        artifacts.insert(Digest::of(&bytes), bytes);
    }
    store.put_envelope(&release(1), b"no artifact", soon()).await.unwrap();
    let listed = store.list_artifacts(soon()).await.unwrap();
    assert!(listed.keys().eq(artifacts.keys()), "{listed:?}");
    assert_stored_since(before, &listed);
}

pub(super) async fn removed_objects_are_not_found(store: &dyn ReleaseWriter) {
    let digests = [b"one", b"two"].map(|bytes| Digest::of(bytes));
    for (number, bytes) in [(1, b"one"), (2, b"two")] {
        store.put_envelope(&release(number), bytes, soon()).await.unwrap();
        store.put_artifact(bytes, soon()).await.unwrap();
    }
    for _ in 0..2 {
        assert_eq!(store.remove_envelope(&release(1), soon()).await, Ok(()));
        assert_eq!(store.remove_artifact(&digests[0], soon()).await, Ok(()));
        assert_not_found(store.envelope(&release(1), soon()).await);
        assert_not_found(store.artifact(&digests[0], MAX_BYTES, soon()).await);
    }
    assert!(store.list(soon()).await.unwrap().keys().eq([&release(2)]));
    assert!(store.list_artifacts(soon()).await.unwrap().keys().eq([&digests[1]]));
    assert_eq!(store.envelope(&release(2), soon()).await.as_deref(), Ok(b"two".as_slice()));
    assert_eq!(store.artifact(&digests[1], MAX_BYTES, soon()).await.as_deref(), Ok(b"two".as_slice()));
}

pub(super) async fn removed_objects_can_be_stored_again(store: &dyn ReleaseWriter) {
    store.put_envelope(&release(1), b"first", soon()).await.unwrap();
    store.put_artifact(b"artifact", soon()).await.unwrap();
    store.remove_envelope(&release(1), soon()).await.unwrap();
    store.remove_artifact(&Digest::of(b"artifact"), soon()).await.unwrap();
    assert_eq!(store.put_envelope(&release(1), b"second", soon()).await, Ok(Stored::New));
    assert_eq!(store.put_artifact(b"artifact", soon()).await, Ok(true));
    assert_eq!(store.envelope(&release(1), soon()).await.as_deref(), Ok(b"second".as_slice()));
    assert_eq!(
        store.artifact(&Digest::of(b"artifact"), MAX_BYTES, soon()).await.as_deref(),
        Ok(b"artifact".as_slice())
    );
}

/// Returns pseudo-random bytes, which are the same in each run (xorshift64).
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    std::iter::repeat_with(next).take(length).collect()
}

fn assert_stored_since<K: Debug>(before: Timestamp, listed: &BTreeMap<K, Timestamp>) {
    let earliest = before.millis() - SKEW_MILLIS;
    let latest = now().millis() + SKEW_MILLIS;
    for (key, stored) in listed {
        assert!((earliest..=latest).contains(&stored.millis()), "{key:?} at {stored:?}, not about {before:?}");
    }
}

#[track_caller]
fn assert_not_found(result: Result<Vec<u8>, StoreError>) {
    match result {
        Err(StoreError::NotFound(failure)) => assert!(!failure.what.is_empty(), "the error names the object"),
        other => panic!("expected `NotFound`, got {other:?}"),
    }
}
