//! A simple model of a rollout, and the steps that happen to it.

use std::collections::{BTreeSet, HashMap};

use proptest::prelude::*;
use tidegate_event::ConnectionId;
use tidegate_release::ReleaseId;
use tidegate_release::rollout::TrafficWeight;

/// The number of releases.
pub(crate) const RELEASES: usize = 5;
/// The number of changes whose releases a prune keeps.
pub(crate) const KEEP: usize = 2;
/// The error budget of a canary.
pub(crate) const BUDGET: u64 = 1;

/// An event in the life of releases. Numbers are releases.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Publish(usize),
    /// A publication that was interrupted before the release itself was stored.
    BrokenPublish(usize),
    Activate(usize),
    Canary(usize, u16),
    Promote,
    Rollback,
    /// Enough events of the canary trap to halt it. Without a canary this release becomes one.
    Halt(usize),
    Prune,
    /// The host receives no event until it is thawed.
    Freeze,
    Thaw,
    /// The host ends, and another starts.
    Crash,
    /// A change that was interrupted between the history and the rollout state.
    BrokenMove(usize),
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let number = 0..RELEASES;
    let weight = prop_oneof![Just(10_000_u16), Just(5_000), 1..=10_000_u16];
    prop_oneof![
        4 => number.clone().prop_map(Step::Publish),
        1 => number.clone().prop_map(Step::BrokenPublish),
        4 => number.clone().prop_map(Step::Activate),
        3 => (number.clone(), weight).prop_map(|(number, weight)| Step::Canary(number, weight)),
        2 => Just(Step::Promote),
        2 => Just(Step::Rollback),
        2 => number.clone().prop_map(Step::Halt),
        1 => Just(Step::Prune),
        1 => Just(Step::Freeze),
        2 => Just(Step::Thaw),
        2 => Just(Step::Crash),
        1 => number.prop_map(Step::BrokenMove),
    ]
}

/// The expected state.
#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) published: BTreeSet<usize>,
    pub(crate) active: Option<usize>,
    pub(crate) canary: Option<(usize, TrafficWeight)>,
    pub(crate) halted: bool,
    /// The release that was active before each release was last activated or promoted.
    pub(crate) before: HashMap<usize, Option<usize>>,
    /// The releases of each change, the newest last.
    pub(crate) changes: Vec<BTreeSet<usize>>,
}

impl Model {
    pub(crate) fn activate(&mut self, release: usize) {
        if self.active != Some(release) {
            self.before.insert(release, self.active);
        }
        // A change names the canary after it, and not one that it ends.
        self.canary = None;
        self.changed(release);
        self.active = Some(release);
    }

    /// Records the releases of a change.
    pub(crate) fn changed(&mut self, to: impl Into<Option<usize>>) {
        let canary = self.canary.map(|(canary, _)| canary);
        self.changes.push([self.active, to.into(), canary].into_iter().flatten().collect());
    }

    /// Returns the release that a connection runs on; `None` is the release of the package.
    pub(crate) fn serving(&self, ids: &[ReleaseId], connection: &ConnectionId) -> Option<usize> {
        let (canary, share) = self.canary.filter(|_| !self.halted)?;
        let canary_id = &ids[canary];
        tidegate_release::rollout::canary_serves(canary_id, share, connection).then_some(canary)
    }

    /// Returns the releases that no prune may remove.
    pub(crate) fn needed(&self) -> BTreeSet<usize> {
        let back = self.active.and_then(|active| self.before.get(&active).copied().flatten());
        let canary = self.canary.map(|(canary, _)| canary);
        let last = self.changes.iter().rev().take(KEEP).flatten().copied();
        [self.active, back, canary].into_iter().flatten().chain(last).filter(|it| self.published.contains(it)).collect()
    }
}
