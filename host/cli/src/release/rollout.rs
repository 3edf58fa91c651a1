//! What changes which release runs: `activate`, `canary`, `promote` and `rollback`.

use anyhow::{Context, Result};
use serde_json::json;
use tidegate_release::rollout::{Action, Change, RolloutError};
use tidegate_release::{ReleaseId, RolloutState};

use crate::args;
use crate::release::backend::{Target, deadline};
use crate::release::candidate::{self, Candidate};
use crate::release::render as text;
use crate::ui::output::out;

/// How many events of a canary may fail, unless its user says otherwise.
const ERROR_BUDGET: u64 = 10;
/// How many changes are looked at for what was active before: few hold it, unless canaries changed often.
const HISTORY: [usize; 2] = [50, 1_000];

/// Runs a release for every connection.
///
/// # Errors
/// When it must not run, or somebody else was first.
pub(crate) async fn activate(args: &args::Activate) -> Result<()> {
    let target = find(&args.anywhere).await?;
    let pointer = target.pointer().await?;
    let id = target.resolve(&args.release, &pointer).await?;
    let halt = target.halt(&pointer).await?;
    let next = pointer.activate(&id, halt.as_ref())?;
    let candidate = candidate::check(&target, &pointer, &id).await?;
    candidate.allow(args.allow_new_grants)?;
    let change = target.advance(&pointer, &next, Action::Activate, args.why.reason.clone()).await?;
    report(&args.anywhere, &next, &change, Some(&candidate));
    Ok(())
}

/// Runs a release for a share of the connections.
///
/// # Errors
/// As [`activate`], and when it was halted.
pub(crate) async fn canary(args: &args::Canary) -> Result<()> {
    let target = find(&args.anywhere).await?;
    let pointer = target.pointer().await?;
    let id = target.resolve(&args.release, &pointer).await?;
    let halt = target.halt(&pointer).await?;
    let running = pointer.canary.as_ref().filter(|canary| canary.release == id);
    let budget = args.error_budget.unwrap_or(running.map_or(ERROR_BUDGET, |canary| canary.error_budget));
    let next = pointer.canary(&id, args.percent, budget, halt.as_ref(), args.restart)?;
    let candidate = candidate::check(&target, &pointer, &id).await?;
    // Another share of what runs already asks for nothing more.
    candidate.allow(args.allow_new_grants || running.is_some())?;
    let change = target.advance(&pointer, &next, Action::Canary, args.why.reason.clone()).await?;
    report(&args.anywhere, &next, &change, Some(&candidate));
    Ok(())
}

/// Runs the canary for every connection. What it newly asks for was allowed when it began.
///
/// # Errors
/// As [`canary`], and when there is none.
pub(crate) async fn promote(args: &args::Move) -> Result<()> {
    let target = find(&args.anywhere).await?;
    let pointer = target.pointer().await?;
    let halt = target.halt(&pointer).await?;
    let next = pointer.promote(halt.as_ref())?;
    let candidate = match &next.active {
        Some(id) => Some(candidate::check(&target, &pointer, id).await?),
        None => None,
    };
    let change = target.advance(&pointer, &next, Action::Promote, args.why.reason.clone()).await?;
    report(&args.anywhere, &next, &change, candidate.as_ref());
    Ok(())
}

/// Ends the canary; without one, goes back to the release that was active before, which was allowed then.
///
/// # Errors
/// When nothing was active before, hosts would no longer take it, or somebody else was first.
pub(crate) async fn rollback(args: &args::Move) -> Result<()> {
    let target = find(&args.anywhere).await?;
    let pointer = target.pointer().await?;
    let next = before(&target, &pointer).await?;
    let candidate = match &next.active {
        // It runs already, and ending a canary must not depend on anything.
        active if *active == pointer.active => None,
        Some(id) => Some(candidate::check(&target, &pointer, id).await?),
        None => None,
    };
    let change = target.advance(&pointer, &next, Action::Rollback, args.why.reason.clone()).await?;
    report(&args.anywhere, &next, &change, candidate.as_ref());
    Ok(())
}

/// The pointer one step back.
async fn before(target: &Target, pointer: &RolloutState) -> Result<RolloutState> {
    let mut next = Err(RolloutError::NothingActive);
    for limit in HISTORY {
        let history = target.store.history(limit, deadline()).await.context("cannot read what was active before")?;
        next = pointer.rollback(&history);
        if !matches!(next, Err(RolloutError::NothingBefore(_))) || history.len() < limit {
            break;
        }
    }
    Ok(next?)
}

async fn find(args: &args::Anywhere) -> Result<Target> {
    Target::find(&args.app, &args.place).await
}

fn report(args: &args::Anywhere, pointer: &RolloutState, change: &Change, candidate: Option<&Candidate>) {
    let (grants, warnings) = candidate.map(|it| (it.new_grants.as_slice(), it.warnings.as_slice())).unwrap_or_default();
    for warning in warnings {
        eprintln!("tidegate: warning: {warning}");
    }
    if args.json {
        text::print_json(&json!({
            "pointer": pointer,
            "change": change,
            "signed-by": candidate.map(|it| &it.signed_by),
            "new-grants": grants,
            "warnings": warnings,
        }));
        return;
    }
    for sentence in grants {
        eprintln!("tidegate: {sentence}");
    }
    out!("{} (generation {})", now(change), change.generation);
}

/// What is so since the change.
fn now(change: &Change) -> String {
    let deployed = || "what hosts were deployed with".to_owned();
    let release = |release: &Option<ReleaseId>| release.as_ref().map_or_else(deployed, |id| format!("release {id}"));
    let (from, to) = (release(&change.from), release(&change.to));
    match (change.action, &change.canary) {
        (Action::Canary, Some(canary)) => {
            format!(
                "release {} is the canary for {} of the connections; the others run {to}",
                canary.release, canary.weight
            )
        }
        _ if change.from == change.to => format!("the canary has ended; all connections run {to}"),
        _ => format!("all connections run {to}, in place of {from}"),
    }
}
