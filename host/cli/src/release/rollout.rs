//! The commands that change the rollout: `activate`, `canary`, `promote` and `rollback`.

use serde_json::json;
use tidegate_release::rollout::{Action, Canary, Change, ErrorRate, FailureLimit, RolloutError};
use tidegate_release::{ReleaseId, RolloutState};

use crate::args;
use crate::release::backend::StoreBackend;
use crate::release::preflight::{self, Candidate};
use crate::release::render;
use crate::ui::error::Result;
use crate::ui::terminal::{err, out};

/// The numbers of changes to read in search of the release that was active before. The first number is enough unless
/// the canary changed often.
const HISTORY: [usize; 2] = [50, 1_000];

/// Runs a release for every connection.
///
/// # Errors
/// The release must not run, or another operator changed the rollout first.
pub(crate) async fn activate(args: &args::Activate) -> Result<()> {
    let backend = StoreBackend::find(&args.store).await?;
    let state = backend.rollout_state().await?;
    let id = backend.resolve(&args.release, &state).await?;
    let halt = backend.halt(&state).await?;
    let next = state.activate(&id, halt.as_ref())?;
    let candidate = preflight::check(&backend, &state, &id).await?;
    candidate.check_grants(args.allow_new_grants)?;
    let change = backend.compare_and_set(&state, &next, Action::Activate, args.reason.reason.clone()).await?;
    report(&args.store, &next, &change, Some(&candidate));
    Ok(())
}

/// Runs a release for a percentage of the connections.
///
/// # Errors
/// The same as for [`activate`], or the canary was halted.
pub(crate) async fn canary(args: &args::Canary) -> Result<()> {
    let backend = StoreBackend::find(&args.store).await?;
    let state = backend.rollout_state().await?;
    let id = backend.resolve(&args.release, &state).await?;
    let halt = backend.halt(&state).await?;
    let running = state.canary.as_ref().filter(|canary| canary.release == id);
    let limit = match (args.error_budget, args.error_rate) {
        (Some(count), _) => FailureLimit::Count(count),
        (None, Some(rate)) => FailureLimit::Rate(rate),
        (None, None) => running.map_or(FailureLimit::Rate(ErrorRate::DEFAULT), Canary::limit),
    };
    let next = state.canary(&id, args.percent, limit, halt.as_ref(), args.restart)?;
    let candidate = preflight::check(&backend, &state, &id).await?;
    // The grants of a running canary are allowed already.
    candidate.check_grants(args.allow_new_grants || running.is_some())?;
    let change = backend.compare_and_set(&state, &next, Action::Canary, args.reason.reason.clone()).await?;
    report(&args.store, &next, &change, Some(&candidate));
    Ok(())
}

/// Runs the canary for every connection. Its new grants were allowed when it began.
///
/// # Errors
/// The same as for [`canary`], or there is no canary.
pub(crate) async fn promote(args: &args::RolloutArgs) -> Result<()> {
    let backend = StoreBackend::find(&args.store).await?;
    let state = backend.rollout_state().await?;
    let halt = backend.halt(&state).await?;
    let next = state.promote(halt.as_ref())?;
    let candidate = match &next.active {
        Some(id) => Some(preflight::check(&backend, &state, id).await?),
        None => None,
    };
    let change = backend.compare_and_set(&state, &next, Action::Promote, args.reason.reason.clone()).await?;
    report(&args.store, &next, &change, candidate.as_ref());
    Ok(())
}

/// Ends the canary. If there is no canary, activates the release that was active before. Its grants were allowed at
/// that time.
///
/// # Errors
/// There is no earlier release, hosts would refuse it now, or another operator changed the rollout first.
pub(crate) async fn rollback(args: &args::RolloutArgs) -> Result<()> {
    let backend = StoreBackend::find(&args.store).await?;
    let state = backend.rollout_state().await?;
    let next = previous(&backend, &state).await?;
    let candidate = match &next.active {
        // Ending a canary must not depend on any check, because the active release is already running.
        active if *active == state.active => None,
        Some(id) => Some(preflight::check(&backend, &state, id).await?),
        None => None,
    };
    let change = backend.compare_and_set(&state, &next, Action::Rollback, args.reason.reason.clone()).await?;
    report(&args.store, &next, &change, candidate.as_ref());
    Ok(())
}

/// Returns the rollout state after a rollback.
async fn previous(backend: &StoreBackend, state: &RolloutState) -> Result<RolloutState> {
    let mut next = Err(RolloutError::NothingActive);
    for limit in HISTORY {
        let history = backend.history(limit).await?;
        next = state.rollback(&history);
        if !matches!(next, Err(RolloutError::NothingBefore(_))) || history.len() < limit {
            break;
        }
    }
    Ok(next?)
}

fn report(args: &args::StoreArgs, state: &RolloutState, change: &Change, candidate: Option<&Candidate>) {
    let new_grants = candidate.map(|candidate| candidate.new_grants.as_slice()).unwrap_or_default();
    let warnings = candidate.map(|candidate| candidate.warnings.as_slice()).unwrap_or_default();
    for warning in warnings {
        err!("tidegate: warning: {warning}");
    }
    if args.json {
        render::print_json(&json!({
            "pointer": state,
            "change": change,
            "signed-by": candidate.map(|candidate| &candidate.signed_by),
            "new-grants": new_grants,
            "warnings": warnings,
        }));
        return;
    }
    for grant in new_grants {
        err!("tidegate: {grant}");
    }
    out!("{} (generation {})", describe_result(change), change.generation);
}

/// Returns a sentence about the releases that run after the change.
fn describe_result(change: &Change) -> String {
    let release = |release: &Option<ReleaseId>| match release {
        Some(id) => format!("release {id}"),
        None => "the bundled release".to_owned(),
    };
    let from = release(&change.from);
    let to = release(&change.to);
    match (change.action, &change.canary) {
        (Action::Canary, Some(canary)) => {
            let id = &canary.release;
            let weight = canary.weight;
            format!("release {id} is the canary for {weight} of the connections; the others run {to}")
        }
        _ if change.from == change.to => format!("the canary has ended; all connections run {to}"),
        _ => format!("all connections run {to}, in place of {from}"),
    }
}
