//! Compares the failures of a canary with those of the active release.
//!
//! A client does the same to both releases. So a canary is held against the active release: for the same route and kind
//! of event, in the same hour, by the part of the connections for which at least one event failed. A connection counts
//! once, however many of its events fail.
//!
//! The store has the sums over all hosts, in counters like those of a canary's run. This module has the connections
//! that this host has seen, and what it has not added to the sums yet.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidegate_event::{ConnectionId, Timestamp};
use tidegate_ports::{AwakeInstant, Deadline};
use tidegate_release::Digest;
use tidegate_release::rollout::{Canary, ErrorRate};
use tidegate_release::store::{CanaryCounts, ReleaseReader, StoreError};

use super::tracks::Track;
use crate::outcome::{EventSource, Outcome};

/// The window in which the two releases are compared.
const WINDOW: Duration = Duration::from_secs(3_600);
/// The minimum number of connections of each release. Fewer say nothing about a rate.
const MIN_CONNECTIONS: u64 = 20;
/// The minimum number of connections for which the canary failed. Fewer may be one client's.
const MIN_FAILED: u64 = 3;
/// The number of standard deviations by which the rates must differ: chance alone exceeds it once in 700 comparisons.
const DEVIATIONS: f64 = 3.0;
/// The time after which connections without failures are added to the sums. A failure is added at once.
const INTERVAL: Duration = Duration::from_secs(2);
/// The maximum number of connections that a host remembers in one window. Further ones are not counted.
const MAX_CONNECTIONS: usize = 1 << 18;

/// The events that are compared: those of one route and kind, on one of the two releases.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Group {
    track: Track,
    source: EventSource,
}

/// The connections of one group.
#[derive(Debug, Default)]
struct Connections {
    seen: HashSet<u64>,
    failed: HashSet<u64>,
    /// The number of connections that are not in the sum yet.
    new: u64,
    /// The failed connections that are not in the sum yet.
    new_failed: Vec<u64>,
}

/// The comparison of the running canary.
#[derive(Debug, Default)]
pub(super) struct RateComparison(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    run: u64,
    window: u64,
    groups: HashMap<Group, Connections>,
    remembered: usize,
    /// True once the canary has failed for too many connections.
    spent: bool,
    flushed: Option<AwakeInstant>,
}

/// The part of one flush that is added to the sums of a group.
struct Added {
    window: u64,
    group: Group,
    new: u64,
    new_failed: Vec<u64>,
    /// The sum of this host alone, for a store that cannot be reached.
    own: Sum,
}

/// The connections of a group, over all hosts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) connections: u64,
    pub(super) failed: u64,
}

impl RateComparison {
    /// Counts the connection of an event. Returns true if the sums should be updated at once.
    pub(super) fn record(&self, canary: &Canary, outcome: &Outcome) -> bool {
        if canary.error_rate.is_none() {
            return false;
        }
        let (Some(active), Some(source), Some(connection)) = (&outcome.active, &outcome.source, &outcome.connection)
        else {
            return false;
        };
        // An event that began before the canary may have run on another release.
        if (active.track == Track::Canary) != (active.release == canary.release) {
            return false;
        }
        let group = Group { track: active.track, source: source.clone() };
        let mut state = self.state_of(canary.run, window(Timestamp::now()));
        state.count(group, fingerprint(connection), outcome.fault.is_some())
    }

    /// Updates the sums if an update is due. Returns the reason to halt the canary, once.
    pub(super) async fn flush(&self, store: &dyn ReleaseReader, canary: &Canary, deadline: Deadline) -> Option<String> {
        let rate = canary.error_rate?;
        let added = self.take(canary.run)?;
        let mut reason = None;
        for added in added {
            let run = canary.run;
            let compared = match add(store, run, &added, deadline).await {
                Ok(compared) => compared,
                Err(error) => {
                    tracing::warn!(release = %canary.release, "cannot count the connections of the canary: {error}");
                    // A host that cannot reach the store compares its own events.
                    let baseline = self.own(run, added.window, &added.group.baseline());
                    Some((added.own, baseline)).filter(|_| added.group.track == Track::Canary)
                }
            };
            if let Some((sum, baseline)) = compared
                && is_above(rate, sum, baseline)
            {
                reason.get_or_insert_with(|| describe(&added.group.source, sum, baseline));
            }
        }
        let mut state = self.lock();
        if state.run != canary.run || state.spent {
            return None;
        }
        state.spent = reason.is_some();
        reason
    }

    /// Returns true if this host knows that the canary has failed for too many connections.
    pub(super) fn is_spent(&self, canary: &Canary) -> bool {
        let state = self.lock();
        state.run == canary.run && state.spent
    }

    /// Takes what is not in the sums yet, if an update is due.
    fn take(&self, run: u64) -> Option<Vec<Added>> {
        let mut state = self.lock();
        if state.run != run || !state.is_due() {
            return None;
        }
        state.flushed = Some(AwakeInstant::now());
        let window = state.window;
        let changed = state.groups.iter_mut().filter(|(_, connections)| connections.has_new());
        let take = |(group, connections): (&Group, &mut Connections)| Added {
            window,
            group: group.clone(),
            new: std::mem::take(&mut connections.new),
            new_failed: std::mem::take(&mut connections.new_failed),
            own: connections.sum(),
        };
        Some(changed.map(take).collect())
    }

    /// Returns the sum of this host alone.
    fn own(&self, run: u64, window: u64, group: &Group) -> Sum {
        let state = self.lock();
        let is_current = state.run == run && state.window == window;
        state.groups.get(group).filter(|_| is_current).map(Connections::sum).unwrap_or_default()
    }

    /// Returns the counts of a run and a window. A new run or window starts at zero.
    fn state_of(&self, run: u64, window: u64) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        if state.run != run {
            *state = State { run, window, ..State::default() };
        } else if state.window != window {
            *state = State { run, window, spent: state.spent, ..State::default() };
        }
        state
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Counts a connection. Returns true if this is its first failure on the canary.
    fn count(&mut self, group: Group, connection: u64, has_failed: bool) -> bool {
        let is_canary = group.track == Track::Canary;
        let connections = self.groups.entry(group).or_default();
        if !connections.seen.contains(&connection) {
            if self.remembered >= MAX_CONNECTIONS {
                return false;
            }
            self.remembered += 1;
            connections.seen.insert(connection);
            connections.new += 1;
        }
        let is_new_failure = has_failed && connections.failed.insert(connection);
        if is_new_failure {
            connections.new_failed.push(connection);
        }
        is_new_failure && is_canary
    }

    fn is_due(&self) -> bool {
        let has_failure = self
            .groups
            .iter()
            .any(|(group, connections)| group.track == Track::Canary && !connections.new_failed.is_empty());
        let has_new = || self.groups.values().any(Connections::has_new);
        has_failure || self.flushed.is_none_or(|flushed| flushed.elapsed() >= INTERVAL) && has_new()
    }
}

impl Connections {
    fn has_new(&self) -> bool {
        self.new > 0 || !self.new_failed.is_empty()
    }

    fn sum(&self) -> Sum {
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        Sum { connections: number(self.seen.len()), failed: number(self.failed.len()) }
    }
}

impl Group {
    /// Returns the same events on the active release.
    fn baseline(&self) -> Self {
        Self { track: Track::Stable, source: self.source.clone() }
    }
}

/// Adds to the sums. If the canary failed for a new connection, returns its sum and that of the active release.
async fn add(
    store: &dyn ReleaseReader,
    run: u64,
    added: &Added,
    deadline: Deadline,
) -> Result<Option<(Sum, Sum)>, StoreError> {
    let Added { window, group, new, new_failed, .. } = added;
    let mut failed = 0;
    for connection in new_failed {
        // Other hosts may have counted the connection already.
        let id = counter(run, *window, group, Some(*connection));
        let one = CanaryCounts { events: 1, ..CanaryCounts::default() };
        failed += u64::from(store.add_canary_counts(id, one, deadline).await?.events == 1);
    }
    let counts = CanaryCounts { events: *new, errors: failed, ..CanaryCounts::default() };
    let sum = store.add_canary_counts(counter(run, *window, group, None), counts, deadline).await?;
    if group.track != Track::Canary || new_failed.is_empty() {
        return Ok(None);
    }
    let baseline = counter(run, *window, &group.baseline(), None);
    let baseline = store.canary_counts(baseline, deadline).await?;
    Ok(Some((sum.into(), baseline.into())))
}

impl From<CanaryCounts> for Sum {
    fn from(counts: CanaryCounts) -> Self {
        Self { connections: counts.events, failed: counts.errors }
    }
}

/// Returns true if the canary fails for more connections than the active release, by more than `rate` and by more than
/// chance explains. An active release that served too few connections counts as one that never fails.
pub(super) fn is_above(rate: ErrorRate, canary: Sum, baseline: Sum) -> bool {
    if canary.connections < MIN_CONNECTIONS || canary.failed < MIN_FAILED {
        return false;
    }
    if baseline.connections < MIN_CONNECTIONS {
        return canary.rate() > rate.fraction();
    }
    let difference = canary.rate() - baseline.rate();
    let both = Sum {
        connections: canary.connections.saturating_add(baseline.connections),
        failed: canary.failed.saturating_add(baseline.failed),
    };
    let variance =
        both.rate() * (1.0 - both.rate()) * (1.0 / as_f64(canary.connections) + 1.0 / as_f64(baseline.connections));
    difference > rate.fraction() && difference > DEVIATIONS * variance.max(0.0).sqrt()
}

impl Sum {
    fn rate(self) -> f64 {
        as_f64(self.failed) / as_f64(self.connections)
    }
}

/// Converts a number of connections, whose last digits do not matter in a rate.
fn as_f64(number: u64) -> f64 {
    number as f64
}

fn describe(source: &EventSource, canary: Sum, baseline: Sum) -> String {
    format!(
        "{source} failed for {} of {} connections, and on the active release for {} of {}",
        canary.failed, canary.connections, baseline.failed, baseline.connections
    )
}

fn window(now: Timestamp) -> u64 {
    now.seconds() / WINDOW.as_secs()
}

fn fingerprint(connection: &ConnectionId) -> u64 {
    digest([connection.as_str()])
}

/// Returns the id of a counter. Runs are small numbers, and the highest bit of a counter is set.
fn counter(run: u64, window: u64, group: &Group, connection: Option<u64>) -> u64 {
    let connection = connection.map_or_else(String::new, |connection| connection.to_string());
    let (track, kind) = (group.track.to_string(), group.source.kind.to_string());
    let (run, window) = (run.to_string(), window.to_string());
    digest([&*run, &window, &track, &kind, group.source.route.as_str(), &connection]) | 1 << 63
}

fn digest<'a>(parts: impl IntoIterator<Item = &'a str>) -> u64 {
    let mut bytes = Vec::with_capacity(128);
    for part in parts {
        // The length distinguishes the parts `a`, `bc` from `ab`, `c`.
        bytes.extend(part.len().to_be_bytes());
        bytes.extend(part.as_bytes());
    }
    Digest::of(&bytes).as_bytes().iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use tidegate_event::RouteKey;

    use super::*;

    fn sum(failed: u64, connections: u64) -> Sum {
        Sum { connections, failed }
    }

    #[test]
    fn a_canary_is_halted_for_a_difference_that_chance_does_not_explain() {
        let rate = ErrorRate::new(500).unwrap();
        for (canary, baseline, halts) in [
            (sum(20, 20), sum(0, 180), true),
            (sum(5, 40), sum(0, 400), true),
            (sum(10, 100), sum(20, 900), true),
            // Too few connections, or too few failures.
            (sum(19, 19), sum(0, 180), false),
            (sum(2, 20), sum(0, 180), false),
            // Both fail alike, because of what clients send.
            (sum(20, 20), sum(180, 180), false),
            (sum(11, 100), sum(99, 900), false),
            // The difference is less than the rate.
            (sum(40, 1_000), sum(0, 9_000), false),
            // The difference may be chance.
            (sum(4, 20), sum(2, 20), false),
            // The active release serves nobody.
            (sum(3, 20), sum(0, 0), true),
            (sum(3, 100), sum(0, 19), false),
        ] {
            assert_eq!(is_above(rate, canary, baseline), halts, "{canary:?} {baseline:?}");
        }
    }

    #[test]
    fn a_connection_counts_once() {
        let mut state = State::default();
        let source = EventSource { kind: crate::outcome::EventKind::Message, route: RouteKey::new("chat").unwrap() };
        let group = Group { track: Track::Canary, source };
        assert!(state.count(group.clone(), 1, true));
        for _ in 0..100 {
            assert!(!state.count(group.clone(), 1, true));
        }
        assert!(!state.count(group.clone(), 2, false));
        assert_eq!(state.groups[&group].sum(), sum(1, 2));
        assert_eq!((state.groups[&group].new, state.groups[&group].new_failed.len()), (2, 1));
    }

    #[test]
    fn counters_differ_in_every_part() {
        use crate::outcome::EventKind::{Authorize, Connect, Message};
        let group = |track, kind, route: &str| Group {
            track,
            source: EventSource { kind, route: RouteKey::new(route).unwrap() },
        };
        let chat = group(Track::Canary, Message, "chat");
        let ids: HashSet<u64> = [
            counter(1, 1, &chat, None),
            counter(2, 1, &chat, None),
            counter(1, 2, &chat, None),
            counter(1, 1, &chat, Some(1)),
            counter(1, 1, &chat.baseline(), None),
            counter(1, 1, &group(Track::Canary, Message, "echo"), None),
            counter(1, 1, &group(Track::Canary, Connect, "$connect"), None),
            counter(1, 1, &group(Track::Canary, Authorize, "$connect"), None),
        ]
        .into();
        assert_eq!(ids.len(), 8);
        assert!(ids.iter().all(|id| id >> 63 == 1));
    }
}
