//! Histories of concurrent calls of [`Storage`], checked for linearizability.
//!
//! Workers put, update, delete, transact and get two documents at the same time, with and without conditions.
//! `todc-utils` checks the recorded history: there must be an order of the calls, each between its start and its end,
//! in which every result is right. Both documents are one object for the checker, so that it also finds a transaction
//! that was applied in part. A call whose outcome is unknown may be applied at any later time, or never.
//!
//! - `model`: two documents, and the effect of each call on them
//! - `worker`: the calls of one worker
//! - `random`: a generator of random numbers, whose seed reproduces a workload

mod model;
mod random;
mod worker;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::join_all;
use tidegate_ports::storage::{Storage, Version};
use todc_utils::linearizability::WGLChecker;
use todc_utils::linearizability::history::{Action, History};

use model::{Call, Document, Documents};
use worker::Worker;

use super::TestClock;

pub use random::Random;

/// The number of histories in the conformance suite.
const HISTORIES: u64 = 10;

/// The size of one history.
#[derive(Debug, Clone, Copy)]
pub struct Workload {
    /// The seed of the random numbers.
    pub seed: u64,
    /// The number of workers.
    pub workers: usize,
    /// The number of calls that each worker makes.
    pub calls: usize,
}

/// A history that was checked.
#[derive(Debug)]
pub struct Checked {
    /// The number of calls that ended, or whose outcome is unknown.
    pub calls: usize,
    /// The number of writes whose outcome is unknown.
    pub unknown: usize,
    /// A description of the history if no order of its calls explains the results.
    pub violation: Option<String>,
}

impl Workload {
    /// Returns the workload with this seed, in the size that the checker checks within milliseconds.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, workers: 5, calls: 10 }
    }

    /// Runs the workload on two documents that do not exist yet, and checks its history.
    pub async fn run(&self, port: &dyn Storage) -> Checked {
        let log = Log::default();
        let workers = (0..self.workers).map(|number| Worker::new(port, &log, self.seed, number).run(self.calls));
        join_all(workers).await;
        log.check()
    }
}

/// Runs histories in the conformance suite.
pub(crate) async fn concurrent_calls_are_linearizable(port: &dyn Storage, _: &TestClock) {
    for seed in 0..HISTORIES {
        let checked = Workload::new(seed).run(port).await;
        assert_eq!(checked.violation, None, "seed {seed}");
        assert_eq!(checked.unknown, 0, "a call failed without a fault");
    }
}

/// The calls of a history, in the order in which they ended.
#[derive(Default)]
struct Log(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    /// The number of events so far: starts and ends of calls.
    events: usize,
    calls: Vec<Entry>,
    /// The document that was seen with each version.
    versions: HashMap<String, Document>,
    problem: Option<String>,
}

struct Entry {
    started: usize,
    /// `None` if the outcome is unknown: the call may have its effect at any later time.
    ended: Option<usize>,
    call: Call,
}

impl Log {
    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the time at which a call starts.
    fn start(&self) -> usize {
        let mut entries = self.entries();
        entries.events += 1;
        entries.events
    }

    /// Records a call that ends now.
    fn end(&self, started: usize, call: Call) {
        let mut entries = self.entries();
        entries.events += 1;
        let ended = (!call.is_unknown()).then_some(entries.events);
        entries.calls.push(Entry { started, ended, call });
    }

    /// Records the version of a document. The port must not use a version for two documents.
    fn seen(&self, version: &Version, document: &Document) {
        let mut entries = self.entries();
        let before = entries.versions.insert(version.0.clone(), document.clone());
        if before.as_ref().is_some_and(|before| before != document) {
            entries.problem = Some(format!("the version {version:?} stands for {before:?} and for {document:?}"));
        }
    }

    fn check(self) -> Checked {
        let Entries { calls, problem, events, .. } = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        let count = calls.len();
        let unknown = calls.iter().filter(|entry| entry.ended.is_none()).count();
        let mut actions = Vec::with_capacity(2 * count);
        for (number, Entry { started, ended, call }) in calls.into_iter().enumerate() {
            actions.push((started, number, Action::Call(call.clone())));
            actions.push((ended.unwrap_or(events + 1), number, Action::Response(call)));
        }
        actions.sort_by_key(|(at, _, _)| *at);
        let actions: Vec<_> = actions.into_iter().map(|(_, number, action)| (number, action)).collect();
        let linearizable =
            actions.is_empty() || WGLChecker::<Documents>::is_linearizable(History::from_actions(actions.clone()));
        let violation = match problem {
            None if linearizable => None,
            problem => Some(format!("{}\n{}", problem.unwrap_or_default(), lines(&actions))),
        };
        Checked { calls: count, unknown, violation }
    }
}

/// Returns one line for each start and each end of a call.
fn lines(actions: &[(usize, Action<Call>)]) -> String {
    let line = |(number, action): &(usize, Action<Call>)| match action {
        Action::Call(_) => format!("{number:3} starts\n"),
        Action::Response(call) => format!("{number:3} {call:?}\n"),
    };
    actions.iter().map(line).collect()
}
