//! The removal of releases that nobody needs, and of the artifacts that are theirs alone.
//!
//! The pointer says which releases are being removed before any of them is, so that none can be activated meanwhile, and
//! says so until they are: a prune that was broken off is ended by the next. Each step is a change of the pointer, so that
//! whoever decided on an earlier one must look again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::Serialize;
use tidegate_event::Timestamp;
use tidegate_ports::Deadline;

use crate::digest::Digest;
use crate::envelope::{Envelope, VerifyError};
use crate::id::ReleaseId;
use crate::rollout::{Action, Change, RolloutError, RolloutState};
use crate::store::{Consistency, ReleaseWriter, StoreError};

/// How long one call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// How many calls run at a time.
const CONCURRENCY: usize = 8;
/// How many changes of history are looked at: more than the largest number to keep is likely to ask for.
const MAX_HISTORY: usize = 1_000;
/// How often the end of a prune is tried, when others move the pointer at the same time.
const ATTEMPTS: usize = 10;

/// What is kept, besides what is active, the canary, and what a rollback leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// The releases of the last so many changes, and at least so many of those that were in use last.
    pub keep: usize,
    /// What was stored since: somebody may be about to use it.
    pub min_age: Duration,
}

/// What a prune removes, or has removed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Pruned {
    /// The releases.
    pub releases: BTreeSet<ReleaseId>,
    /// The artifacts that no other release has.
    pub artifacts: BTreeSet<Digest>,
    /// The releases that stay.
    pub kept: BTreeSet<ReleaseId>,
    /// Those of `releases` that an earlier prune, which was broken off, had begun to remove.
    pub resumed: BTreeSet<ReleaseId>,
}

/// Why nothing was pruned, or not everything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PruneError {
    /// The store failed, or the pointer was moved meanwhile.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The pointer cannot be moved so.
    #[error(transparent)]
    Move(#[from] RolloutError),
    /// Nobody knows which artifacts a release has that cannot be read, so none is removed.
    #[error("the release `{id}` cannot be read, so nothing is known of its artifacts: {problem}; hint: {}", hint(.problem))]
    Unreadable {
        /// The release.
        id: ReleaseId,
        /// What is wrong with it.
        problem: VerifyError,
    },
    /// The release runs.
    #[error("the release `{0}` is active or the canary; hint: activate another one first")]
    InUse(ReleaseId),
    /// A release was published while its artifacts were removed.
    #[error(
        "the release `{0}` was published meanwhile, and artifacts of it were removed; hint: `tidegate release create`, from \
         the same sources, stores them again"
    )]
    Overtaken(ReleaseId),
}

/// Who prunes, and why, for history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct By {
    /// An AWS principal's ARN, or a user and a host.
    pub who: String,
    /// Why.
    pub why: Option<String>,
}

/// What [`prune`] would remove at the time `now`.
///
/// # Errors
/// When a release that stays cannot be read, or the store fails.
pub async fn plan(store: &(impl ReleaseWriter + ?Sized), rules: Rules, now: Timestamp) -> Result<Pruned, PruneError> {
    draft(store, &read_pointer(store).await?, rules, now).await
}

/// Removes what nobody needs at the time `now`, and answers what that was. It can be broken off at any time; the next one
/// ends what it began.
///
/// # Errors
/// When a release that stays cannot be read, the pointer was moved meanwhile, or the store fails.
pub async fn prune(
    store: &(impl ReleaseWriter + ?Sized),
    rules: Rules,
    now: Timestamp,
    by: &By,
) -> Result<Pruned, PruneError> {
    let mut pointer = read_pointer(store).await?;
    // What stays must be readable before anything goes.
    let mut pruned = draft(store, &pointer, rules, now).await?;
    if pointer.pruning.is_empty() && pruned.releases.is_empty() && pruned.artifacts.is_empty() {
        return Ok(pruned);
    }
    if !pointer.pruning.is_empty() {
        // What it began is part of this one.
        pointer = step(store, &pointer, pointer.end_prune(), by).await?;
    }
    step(store, &pointer, pointer.begin_prune(pruned.releases.clone())?, by).await?;
    some_at_a_time(pruned.releases.iter().map(|release| store.remove_envelope(release, deadline()))).await?;
    let artifacts = remove_orphans(store, rules, now).await;
    end(store, &pruned.releases, by).await?;
    pruned.artifacts = artifacts?;
    Ok(pruned)
}

/// Removes one release that is neither active nor the canary, so that it can be published anew, signed by other keys.
///
/// # Errors
/// When it runs, a prune is under way or was broken off, the pointer was moved meanwhile, or the store fails.
pub async fn withdraw(store: &(impl ReleaseWriter + ?Sized), release: &ReleaseId, by: &By) -> Result<(), PruneError> {
    let pointer = read_pointer(store).await?;
    if pointer.used().any(|used| used == release) {
        return Err(PruneError::InUse(release.clone()));
    }
    let releases = BTreeSet::from([release.clone()]);
    step(store, &pointer, pointer.begin_prune(releases.clone())?, by).await?;
    store.remove_envelope(release, deadline()).await?;
    end(store, &releases, by).await
}

async fn draft(
    store: &(impl ReleaseWriter + ?Sized),
    pointer: &RolloutState,
    rules: Rules,
    now: Timestamp,
) -> Result<Pruned, PruneError> {
    let (releases, kept) = releases(store, pointer, rules, now).await?;
    let artifacts = orphans(store, &needed(store, &kept).await?, rules, now).await?;
    Ok(Pruned { releases, artifacts, kept, resumed: pointer.pruning.clone() })
}

/// The releases that go, and those that stay.
async fn releases(
    store: &(impl ReleaseWriter + ?Sized),
    pointer: &RolloutState,
    rules: Rules,
    now: Timestamp,
) -> Result<(BTreeSet<ReleaseId>, BTreeSet<ReleaseId>), StoreError> {
    let stored = store.list(deadline()).await?;
    let history = store.history(MAX_HISTORY.max(rules.keep.saturating_mul(2)), deadline()).await?;
    let mut used: BTreeSet<&ReleaseId> = pointer.used().collect();
    used.extend(recent(&history, rules.keep));
    let back = RolloutState { canary: None, ..pointer.clone() }.rollback(&history).ok();
    used.extend(back.iter().filter_map(|back| back.active.as_ref()));
    let stays = |(id, at): &(&ReleaseId, &Timestamp)| {
        // What was being removed may be half gone.
        !pointer.pruning.contains(*id) && (used.contains(*id) || !is_old(**at, rules, now))
    };
    let (kept, gone): (BTreeMap<_, _>, BTreeMap<_, _>) = stored.iter().partition(stays);
    let ids = |releases: BTreeMap<&ReleaseId, &Timestamp>| releases.into_keys().cloned().collect::<BTreeSet<_>>();
    let mut gone = ids(gone);
    gone.extend(pointer.pruning.iter().cloned());
    Ok((gone, ids(kept)))
}

/// The releases of the last `keep` changes, and of those before until there are `keep` of them.
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

/// The artifacts of `releases`. One that is no longer there needs none.
async fn needed(
    store: &(impl ReleaseWriter + ?Sized),
    releases: &BTreeSet<ReleaseId>,
) -> Result<BTreeMap<Digest, ReleaseId>, PruneError> {
    let each = some_at_a_time(releases.iter().map(|id| artifacts(store, id))).await?;
    let each = each.into_iter().zip(releases).map(|(artifacts, id)| artifacts.into_iter().map(|it| (it, id.clone())));
    Ok(each.flatten().collect())
}

async fn artifacts(store: &(impl ReleaseWriter + ?Sized), id: &ReleaseId) -> Result<BTreeSet<Digest>, PruneError> {
    let envelope = match store.envelope(id, deadline()).await {
        Ok(envelope) => envelope,
        Err(StoreError::NotFound(_)) => return Ok(BTreeSet::new()),
        Err(error) => return Err(error.into()),
    };
    let document = Envelope::parse(&envelope).and_then(|envelope| envelope.unverified());
    let document = document.map_err(|problem| PruneError::Unreadable { id: id.clone(), problem })?;
    Ok(document.artifacts())
}

/// The artifacts that are old and that nobody needs.
async fn orphans(
    store: &(impl ReleaseWriter + ?Sized),
    needed: &BTreeMap<Digest, ReleaseId>,
    rules: Rules,
    now: Timestamp,
) -> Result<BTreeSet<Digest>, StoreError> {
    let stored = store.list_artifacts(deadline()).await?;
    let orphans = stored.into_iter().filter(|(digest, at)| !needed.contains_key(digest) && is_old(*at, rules, now));
    Ok(orphans.map(|(digest, _)| digest).collect())
}

/// Removes the artifacts that no release has, whichever are there now.
async fn remove_orphans(
    store: &(impl ReleaseWriter + ?Sized),
    rules: Rules,
    now: Timestamp,
) -> Result<BTreeSet<Digest>, PruneError> {
    let published =
        async || -> Result<BTreeSet<ReleaseId>, StoreError> { Ok(store.list(deadline()).await?.into_keys().collect()) };
    let needed_now = needed(store, &published().await?).await?;
    let orphans = orphans(store, &needed_now, rules, now).await?;
    some_at_a_time(orphans.iter().map(|digest| store.remove_artifact(digest, deadline()))).await?;
    if orphans.is_empty() {
        return Ok(orphans);
    }
    let needed = needed(store, &published().await?).await?;
    match needed.iter().find(|(digest, _)| orphans.contains(digest)) {
        Some((_, release)) => Err(PruneError::Overtaken(release.clone())),
        None => Ok(orphans),
    }
}

/// Says that the releases are removed, unless another prune has said so.
async fn end(store: &(impl ReleaseWriter + ?Sized), releases: &BTreeSet<ReleaseId>, by: &By) -> Result<(), PruneError> {
    let mut attempts = ATTEMPTS;
    loop {
        let pointer = read_pointer(store).await?;
        if pointer.pruning != *releases {
            return Ok(());
        }
        attempts -= 1;
        match step(store, &pointer, pointer.end_prune(), by).await {
            // An activation came between, which is allowed.
            Err(StoreError::Conflict(_)) if attempts > 0 => {}
            ended => return Ok(ended.map(drop)?),
        }
    }
}

/// What each of these calls answers, of which a few run at a time.
async fn some_at_a_time<T, E>(calls: impl Iterator<Item: Future<Output = Result<T, E>>>) -> Result<Vec<T>, E> {
    // Made before they are polled: a stream of closures that borrow would not be `Send`.
    stream::iter(calls.collect::<Vec<_>>()).buffered(CONCURRENCY).try_collect().await
}

async fn step(
    store: &(impl ReleaseWriter + ?Sized),
    pointer: &RolloutState,
    next: RolloutState,
    by: &By,
) -> Result<RolloutState, StoreError> {
    let change = pointer.change(&next, Action::Prune, Timestamp::now(), by.who.clone(), by.why.clone());
    store.compare_and_set(&next, &change, deadline()).await?;
    Ok(next)
}

async fn read_pointer(store: &(impl ReleaseWriter + ?Sized)) -> Result<RolloutState, StoreError> {
    store.rollout_state(Consistency::Strong, deadline()).await
}

fn is_old(at: Timestamp, rules: Rules, now: Timestamp) -> bool {
    at.saturating_add(rules.min_age) <= now
}

fn hint(problem: &VerifyError) -> &'static str {
    match problem {
        VerifyError::Format(_) => "prune with a later version of `tidegate`",
        _ => "remove its file from the store, if it is not needed",
    }
}

fn deadline() -> Deadline {
    Deadline::after(CALL_TIMEOUT)
}

#[cfg(test)]
#[path = "prune/tests.rs"]
mod tests;
