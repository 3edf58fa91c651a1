//! The status that hosts report.

use std::collections::BTreeMap;

use tidegate_event::Timestamp;

use super::{RACERS, now, race, release, soon};
use tidegate_release::rollout::Halt;
use tidegate_release::store::{CanaryCounts, LoadFailure, LoadReport, LoadSummary, MAX_REASON_BYTES, ReleaseWriter};

pub(super) async fn canaries_are_halted_once(store: &dyn ReleaseWriter) {
    assert_eq!(store.halt(7, soon()).await, Ok(None));
    let first = halt(7, "first");
    assert_eq!(store.record_halt(&first, soon()).await.as_ref(), Ok(&first));
    assert_eq!(store.halt(7, soon()).await, Ok(Some(first.clone())));
    for later in [&halt(7, "second"), &first] {
        assert_eq!(store.record_halt(later, soon()).await.as_ref(), Ok(&first));
        assert_eq!(store.halt(7, soon()).await, Ok(Some(first.clone())));
    }
}

pub(super) async fn one_of_many_concurrent_halts_is_stored(store: &dyn ReleaseWriter) {
    for run in 1..=4 {
        let halts: Vec<_> = (0..RACERS).map(|racer| halt(run, &format!("host {racer}"))).collect();
        let answers = race(async |racer| store.record_halt(&halts[racer], soon()).await.unwrap());
        assert!(halts.contains(&answers[0]), "{:?}", answers[0]);
        assert!(answers.iter().all(|answer| *answer == answers[0]), "all callers see the same halt: {answers:?}");
        assert_eq!(store.halt(run, soon()).await, Ok(Some(answers[0].clone())));
    }
}

pub(super) async fn counts_are_added(store: &dyn ReleaseWriter) {
    assert_eq!(store.canary_counts(3, soon()).await, Ok(CanaryCounts::default()));
    let added = [counts(10, 1, 0, 0), counts(0, 0, 0, 0), counts(5, 0, 2, 0), counts(1_000_000_000_000, 0, 0, 3)];
    let mut sum = CanaryCounts::default();
    for count in added {
        sum = sum.plus(count);
        assert_eq!(store.add_canary_counts(3, count, soon()).await, Ok(sum));
        assert_eq!(store.canary_counts(3, soon()).await, Ok(sum));
    }
    assert_eq!(sum, counts(1_000_000_000_015, 1, 2, 3));
}

pub(super) async fn concurrent_counts_are_all_added(store: &dyn ReleaseWriter) {
    const EACH: u64 = 5;
    let answers = race(async |_| {
        let mut last = CanaryCounts::default();
        for _ in 0..EACH {
            last = store.add_canary_counts(1, counts(4, 1, 2, 3), soon()).await.unwrap();
        }
        last
    });
    let all = RACERS as u64 * EACH;
    let sum = counts(4 * all, all, 2 * all, 3 * all);
    assert_eq!(store.canary_counts(1, soon()).await, Ok(sum));
    // The last caller receives the full sum, so an exceeded error budget is always noticed.
    assert!(answers.contains(&sum), "{answers:?}");
}

pub(super) async fn runs_are_independent(store: &dyn ReleaseWriter) {
    let runs = [1, 2, 10, 11, 100, u64::MAX];
    for (number, run) in (1..).zip(runs) {
        store.add_canary_counts(run, counts(number, 0, 0, 0), soon()).await.unwrap();
    }
    for (number, run) in (1..).zip(runs) {
        assert_eq!(store.canary_counts(run, soon()).await, Ok(counts(number, 0, 0, 0)));
    }
    for run in [10, u64::MAX] {
        let halt = halt(run, "host");
        assert_eq!(store.record_halt(&halt, soon()).await.as_ref(), Ok(&halt));
    }
    for run in runs {
        let halted = store.halt(run, soon()).await.unwrap().map(|halt| halt.run);
        assert_eq!(halted, [10, u64::MAX].contains(&run).then_some(run));
    }
    for run in [0, 3, 12] {
        assert_eq!(store.canary_counts(run, soon()).await, Ok(CanaryCounts::default()));
    }
}

pub(super) async fn load_reports_are_counted(store: &dyn ReleaseWriter) {
    assert_eq!(store.load_reports(soon()).await, Ok(BTreeMap::new()));
    let at = now();
    let later = Timestamp(at.millis() + 5);
    for (number, at, failure) in
        [(1, at, None), (1, at, None), (2, at, Some("bad")), (1, later, None), (2, later, None), (3, at, Some(""))]
    {
        store.record_load(&release(number), &report(at, "host", failure), soon()).await.unwrap();
    }
    let failed = |at, reason: &str| Some(LoadFailure { at, host: "host".to_owned(), reason: reason.to_owned() });
    let expected = BTreeMap::from([
        (release(1), LoadSummary { loaded: 3, failed: 0, at: later, failure: None }),
        (release(2), LoadSummary { loaded: 1, failed: 1, at: later, failure: failed(at, "bad") }),
        (release(3), LoadSummary { loaded: 0, failed: 1, at, failure: failed(at, "") }),
    ]);
    assert_eq!(store.load_reports(soon()).await, Ok(expected));
}

pub(super) async fn the_last_load_failure_is_kept(store: &dyn ReleaseWriter) {
    let at = now();
    for (host, failure) in [("a", Some("first")), ("b", Some("second \u{1f980} `x` \"y\"")), ("c", None)] {
        store.record_load(&release(1), &report(at, host, failure), soon()).await.unwrap();
    }
    let reported = store.load_reports(soon()).await.unwrap()[&release(1)].clone();
    assert_eq!((reported.loaded, reported.failed), (1, 2));
    let reason = "second \u{1f980} `x` \"y\"".to_owned();
    assert_eq!(reported.failure, Some(LoadFailure { at, host: "b".to_owned(), reason }));
}

pub(super) async fn concurrent_load_reports_are_all_counted(store: &dyn ReleaseWriter) {
    let at = now();
    race(async |racer| {
        let failure = (racer % 4 == 0).then_some("it does not link");
        store.record_load(&release(1), &report(at, "host", failure), soon()).await.unwrap();
    });
    let reported = store.load_reports(soon()).await.unwrap()[&release(1)].clone();
    let failed = RACERS as u64 / 4;
    assert_eq!((reported.loaded, reported.failed), (RACERS as u64 - failed, failed));
}

pub(super) async fn long_reasons_are_cut_between_characters(store: &dyn ReleaseWriter) {
    let fits = "é".repeat(MAX_REASON_BYTES / 2);
    // The limit falls inside a character of two bytes, then inside one of four bytes.
    for (number, reason) in [(1, format!("x{fits}")), (2, format!("x{}", "\u{1f980}".repeat(MAX_REASON_BYTES)))] {
        store.record_load(&release(number), &report(now(), "host", Some(&reason)), soon()).await.unwrap();
        let kept = store.load_reports(soon()).await.unwrap()[&release(number)].failure.clone().unwrap().reason;
        assert!(kept.len() <= MAX_REASON_BYTES, "{} bytes", kept.len());
        assert!(kept.len() > MAX_REASON_BYTES - 4, "{} bytes", kept.len());
        assert!(reason.starts_with(&kept), "{kept}");
    }
    store.record_load(&release(3), &report(now(), "host", Some(&fits)), soon()).await.unwrap();
    let kept = store.load_reports(soon()).await.unwrap()[&release(3)].failure.clone().unwrap().reason;
    assert_eq!(kept, fits);
}

fn halt(run: u64, host: &str) -> Halt {
    let reason = "11 failures, and its budget is 10".to_owned();
    Halt { run, release: release(run), at: now(), host: host.to_owned(), reason }
}

fn counts(events: u64, traps: u64, timeouts: u64, errors: u64) -> CanaryCounts {
    CanaryCounts { events, traps, timeouts, errors }
}

fn report(at: Timestamp, host: &str, failure: Option<&str>) -> LoadReport {
    LoadReport { at, host: host.to_owned(), failure: failure.map(str::to_owned) }
}
