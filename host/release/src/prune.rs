//! The removal of unused releases and of artifacts that no other release needs.
//!
//! Before the first removal, the rollout state is changed to list the releases that are being removed, and the list is
//! cleared after the last removal. None of these releases can be activated in between. The next prune completes an
//! interrupted one. Each step changes the generation of the rollout state, so a concurrent operation that is based on
//! an earlier state fails and must read the state again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::Serialize;
use tidegate_diagnostic::{Code, Diagnostic};
use tidegate_event::Timestamp;
use tidegate_ports::Deadline;

use crate::digest::Digest;
use crate::envelope::{Envelope, VerifyError};
use crate::id::ReleaseId;
use crate::rollout::{Action, Change, RolloutError, RolloutState};
use crate::store::{Consistency, ReleaseWriter, StoreError};

/// The time limit for one call of the store.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// The number of concurrent calls.
const CONCURRENCY: usize = 8;
/// The number of changes that are read from the history. It exceeds any reasonable number of releases to keep.
const MAX_HISTORY: usize = 1_000;
/// The number of attempts to end a prune while other processes change the rollout state.
const ATTEMPTS: usize = 10;

/// The releases to keep, in addition to the active release, the canary, and the target of a rollback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// The number of the latest changes whose releases are kept. At least this number of the most recently used
    /// releases is kept.
    pub keep: usize,
    /// The minimum age of removed releases and artifacts. Younger ones are kept, because an operation in progress may
    /// need them.
    pub min_age: Duration,
}

/// The result of a prune, or of its plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Pruned {
    /// The removed releases.
    pub releases: BTreeSet<ReleaseId>,
    /// The removed artifacts.
    pub artifacts: BTreeSet<Digest>,
    /// The releases that are kept.
    pub kept: BTreeSet<ReleaseId>,
    /// The releases in `releases` that an earlier, interrupted prune began to remove.
    pub resumed: BTreeSet<ReleaseId>,
}

/// A prune that failed, completely or in part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PruneError {
    /// The store failed, or another process changed the rollout state.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The rollout state does not allow the change.
    #[error(transparent)]
    Rollout(#[from] RolloutError),
    /// A release to keep cannot be read, so its artifacts are unknown.
    #[error("the release `{id}` cannot be read, so its artifacts are unknown: {problem}")]
    Unreadable {
        /// The id of the release.
        id: ReleaseId,
        /// The problem with the stored bytes.
        problem: VerifyError,
    },
    /// The release is active or the canary.
    #[error("the release `{0}` is active or the canary")]
    InUse(ReleaseId),
    /// A release was published while artifacts that it needs were removed.
    #[error("the release `{0}` was published during the prune, and artifacts that it needs were removed")]
    Overtaken(ReleaseId),
}

impl From<PruneError> for Diagnostic {
    fn from(error: PruneError) -> Self {
        let why = error.to_string();
        match error {
            PruneError::Store(error) => error.into(),
            PruneError::Rollout(error) => error.into(),
            PruneError::Unreadable { problem, .. } => {
                let hint = match problem {
                    VerifyError::Format(_) => "prune with a later version of `tidegate`",
                    _ => "remove the release from the store if it is not needed",
                };
                Self::new(problem.code(), "cannot prune", why).hint(hint)
            }
            PruneError::InUse(id) => Self::new(Code::ReleaseInUse, format!("cannot remove the release `{id}`"), why)
                .hint("activate another release first"),
            PruneError::Overtaken(_) => Self::new(Code::PruneOvertaken, "the prune removed too much", why)
                .hint("run `tidegate release create` on the same sources, which stores the artifacts again"),
        }
    }
}

/// The author of a prune and the reason, for the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// The ARN of an AWS principal, or a user and a host.
    pub who: String,
    /// The reason that the author gave.
    pub why: Option<String>,
}

/// Returns the releases and artifacts that [`prune`] would remove at the time `now`.
///
/// # Errors
/// If a release to keep cannot be read, or the store fails.
pub async fn plan(store: &(impl ReleaseWriter + ?Sized), rules: Rules, now: Timestamp) -> Result<Pruned, PruneError> {
    select(store, &read_state(store).await?, rules, now).await
}

/// Removes the releases and artifacts that are unused at the time `now`. If it is interrupted, the next prune completes
/// it.
///
/// # Errors
/// If a release to keep cannot be read, another process changes the rollout state, or the store fails.
pub async fn prune(
    store: &(impl ReleaseWriter + ?Sized),
    rules: Rules,
    now: Timestamp,
    author: &Author,
) -> Result<Pruned, PruneError> {
    let mut state = read_state(store).await?;
    // All releases to keep must be readable before anything is removed.
    let mut pruned = select(store, &state, rules, now).await?;
    if state.pruning.is_empty() && pruned.releases.is_empty() && pruned.artifacts.is_empty() {
        return Ok(pruned);
    }
    if !state.pruning.is_empty() {
        // The interrupted prune becomes part of this one.
        state = step(store, &state, state.end_prune()?, author).await?;
    }
    step(store, &state, state.begin_prune(pruned.releases.clone())?, author).await?;
    buffered(pruned.releases.iter().map(|release| store.remove_envelope(release, deadline()))).await?;
    let artifacts = remove_unused_artifacts(store, rules, now).await;
    end(store, &pruned.releases, author).await?;
    pruned.artifacts = artifacts?;
    Ok(pruned)
}

/// Removes a release so that it can be published again with other signatures.
///
/// # Errors
/// If the release is active or the canary, another prune is running or was interrupted, another process changes the
/// rollout state, or the store fails.
pub async fn withdraw(
    store: &(impl ReleaseWriter + ?Sized),
    release: &ReleaseId,
    author: &Author,
) -> Result<(), PruneError> {
    let state = read_state(store).await?;
    if state.used().any(|used| used == release) {
        return Err(PruneError::InUse(release.clone()));
    }
    let releases = BTreeSet::from([release.clone()]);
    step(store, &state, state.begin_prune(releases.clone())?, author).await?;
    store.remove_envelope(release, deadline()).await?;
    end(store, &releases, author).await
}

async fn select(
    store: &(impl ReleaseWriter + ?Sized),
    state: &RolloutState,
    rules: Rules,
    now: Timestamp,
) -> Result<Pruned, PruneError> {
    let (releases, kept) = releases(store, state, rules, now).await?;
    let artifacts = unused_artifacts(store, &needed(store, &kept).await?, rules, now).await?;
    Ok(Pruned { releases, artifacts, kept, resumed: state.pruning.clone() })
}

/// Returns the releases to remove and the releases to keep.
async fn releases(
    store: &(impl ReleaseWriter + ?Sized),
    state: &RolloutState,
    rules: Rules,
    now: Timestamp,
) -> Result<(BTreeSet<ReleaseId>, BTreeSet<ReleaseId>), StoreError> {
    let stored = store.list(deadline()).await?;
    let history = store.history(MAX_HISTORY.max(rules.keep.saturating_mul(2)), deadline()).await?;
    let mut used: BTreeSet<&ReleaseId> = state.used().collect();
    used.extend(recent(&history, rules.keep));
    let back = RolloutState { canary: None, ..state.clone() }.rollback(&history).ok();
    used.extend(back.iter().filter_map(|back| back.active.as_ref()));
    let stays = |(id, at): &(&ReleaseId, &Timestamp)| {
        // Artifacts of a release that is being removed may already be missing.
        !state.pruning.contains(*id) && (used.contains(*id) || !is_old(**at, rules, now))
    };
    let (kept, gone): (BTreeMap<_, _>, BTreeMap<_, _>) = stored.iter().partition(stays);
    let ids = |releases: BTreeMap<&ReleaseId, &Timestamp>| releases.into_keys().cloned().collect::<BTreeSet<_>>();
    let mut gone = ids(gone);
    gone.extend(state.pruning.iter().cloned());
    Ok((gone, ids(kept)))
}

/// Returns the releases of the latest `keep` changes. Earlier changes count too until there are `keep` releases.
fn recent(history: &[Change], keep: usize) -> BTreeSet<&ReleaseId> {
    let mut recent = BTreeSet::new();
    let changes = history.iter().filter(|change| change.action != Action::Prune);
    for (index, change) in changes.enumerate() {
        let canary = change.canary.as_ref().map(|canary| &canary.release);
        for release in [canary, change.to.as_ref(), change.from.as_ref()].into_iter().flatten() {
            if index < keep || recent.len() < keep {
                recent.insert(release);
            }
        }
    }
    recent
}

/// Returns the artifacts of `releases`, each with one release that needs it. Releases that do not exist are skipped.
async fn needed(
    store: &(impl ReleaseWriter + ?Sized),
    releases: &BTreeSet<ReleaseId>,
) -> Result<BTreeMap<Digest, ReleaseId>, PruneError> {
    let each = buffered(releases.iter().map(|id| artifacts(store, id))).await?;
    let each =
        each.into_iter().zip(releases).map(|(artifacts, id)| artifacts.into_iter().map(|digest| (digest, id.clone())));
    Ok(each.flatten().collect())
}

async fn artifacts(store: &(impl ReleaseWriter + ?Sized), id: &ReleaseId) -> Result<BTreeSet<Digest>, PruneError> {
    let envelope = match store.envelope(id, deadline()).await {
        Ok(envelope) => envelope,
        Err(StoreError::NotFound(_)) => return Ok(BTreeSet::new()),
        Err(error) => return Err(error.into()),
    };
    let manifest = Envelope::parse(&envelope).and_then(|envelope| envelope.unverified());
    let manifest = manifest.map_err(|problem| PruneError::Unreadable { id: id.clone(), problem })?;
    Ok(manifest.artifacts())
}

/// Returns the stored artifacts that are old and not needed.
async fn unused_artifacts(
    store: &(impl ReleaseWriter + ?Sized),
    needed: &BTreeMap<Digest, ReleaseId>,
    rules: Rules,
    now: Timestamp,
) -> Result<BTreeSet<Digest>, StoreError> {
    let stored = store.list_artifacts(deadline()).await?;
    let unused_artifacts =
        stored.into_iter().filter(|(digest, at)| !needed.contains_key(digest) && is_old(*at, rules, now));
    Ok(unused_artifacts.map(|(digest, _)| digest).collect())
}

/// Removes the artifacts that no stored release needs.
async fn remove_unused_artifacts(
    store: &(impl ReleaseWriter + ?Sized),
    rules: Rules,
    now: Timestamp,
) -> Result<BTreeSet<Digest>, PruneError> {
    let published =
        async || -> Result<BTreeSet<ReleaseId>, StoreError> { Ok(store.list(deadline()).await?.into_keys().collect()) };
    let needed_now = needed(store, &published().await?).await?;
    let unused_artifacts = unused_artifacts(store, &needed_now, rules, now).await?;
    buffered(unused_artifacts.iter().map(|digest| store.remove_artifact(digest, deadline()))).await?;
    if unused_artifacts.is_empty() {
        return Ok(unused_artifacts);
    }
    let needed = needed(store, &published().await?).await?;
    match needed.iter().find(|(digest, _)| unused_artifacts.contains(digest)) {
        Some((_, release)) => Err(PruneError::Overtaken(release.clone())),
        None => Ok(unused_artifacts),
    }
}

/// Ends the prune of `releases`, unless another prune has already ended it.
async fn end(
    store: &(impl ReleaseWriter + ?Sized),
    releases: &BTreeSet<ReleaseId>,
    author: &Author,
) -> Result<(), PruneError> {
    let mut attempts = ATTEMPTS;
    loop {
        let state = read_state(store).await?;
        if state.pruning != *releases {
            return Ok(());
        }
        attempts -= 1;
        match step(store, &state, state.end_prune()?, author).await {
            // Activations during a prune are allowed.
            Err(StoreError::Conflict(_)) if attempts > 0 => {}
            ended => return Ok(ended.map(drop)?),
        }
    }
}

/// Runs the calls, at most [`CONCURRENCY`] at the same time, and returns their results in order.
async fn buffered<T, E>(calls: impl Iterator<Item: Future<Output = Result<T, E>>>) -> Result<Vec<T>, E> {
    // The futures are collected first: a stream of closures that borrow would not be `Send`.
    stream::iter(calls.collect::<Vec<_>>()).buffered(CONCURRENCY).try_collect().await
}

async fn step(
    store: &(impl ReleaseWriter + ?Sized),
    state: &RolloutState,
    next: RolloutState,
    author: &Author,
) -> Result<RolloutState, StoreError> {
    let change = state.change(&next, Action::Prune, Timestamp::now(), author.who.clone(), author.why.clone());
    store.compare_and_set(&next, &change, deadline()).await?;
    Ok(next)
}

async fn read_state(store: &(impl ReleaseWriter + ?Sized)) -> Result<RolloutState, StoreError> {
    store.rollout_state(Consistency::Strong, deadline()).await
}

fn is_old(at: Timestamp, rules: Rules, now: Timestamp) -> bool {
    at.saturating_add(rules.min_age) <= now
}

fn deadline() -> Deadline {
    Deadline::after(CALL_TIMEOUT)
}

#[cfg(test)]
#[path = "prune/tests.rs"]
mod tests;
