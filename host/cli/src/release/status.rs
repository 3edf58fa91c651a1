//! `tidegate release status`: the rollout state, the counts of the canary, and the reports of hosts.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde_json::json;
use tidegate_app::App;
use tidegate_diagnostic::Context as _;
use tidegate_release::rollout::{Canary, Change, FailureLimit, Halt};
use tidegate_release::store::{CanaryCounts, LoadSummary};
use tidegate_release::{ReleaseId, RolloutState};

use crate::args;
use crate::release::backend::{StoreBackend, deadline, describe_change};
use crate::release::render;
use crate::ui::error::Result;
use crate::ui::terminal::out;

/// Prints the status.
///
/// # Errors
/// The store fails.
pub(crate) async fn run(args: &args::StoreArgs) -> Result<()> {
    let backend = StoreBackend::find(args).await?;
    let state = backend.rollout_state().await?;
    let halt = backend.halt(&state).await?;
    let counts = match &state.canary {
        Some(canary) => {
            let counts = backend.store.canary_counts(canary.run, deadline()).await;
            Some(counts.context(|| "cannot read the counts of the canary")?)
        }
        None => None,
    };
    let reports = backend.store.load_reports(deadline()).await;
    let reports = reports.context(|| "cannot read the reports of the hosts")?;
    let last = backend.history(1).await?.into_iter().next();
    let inconsistency = inconsistency(&state, last.as_ref());
    if args.json {
        render::print_json(&json!({
            "pointer": state,
            "halt": halt,
            "tally": counts,
            "last-change": last,
            "warning": inconsistency,
            "reports": reports,
            "deployed": backend.deployed,
        }));
        return Ok(());
    }
    let none = || "none: hosts run their bundled release".to_owned();
    out!("active    {}", state.active.as_ref().map_or_else(none, ToString::to_string));
    if let Some(canary) = &state.canary {
        print_canary(canary, &counts.unwrap_or_default(), halt.as_ref());
    }
    if !state.pruning.is_empty() {
        let releases: Vec<_> = state.pruning.iter().map(ToString::to_string).collect();
        out!("pruning   {}; `tidegate release prune` completes the interrupted removal", releases.join(", "));
    }
    if let Some(change) = &last {
        out!("changed   {}, by {}", describe_change(change), change.who);
    }
    if let Some(warning) = inconsistency {
        out!("warning   {warning}");
    }
    out!("deployed  {}", backend.deployed.as_ref().map_or("unknown".to_owned(), describe_app));
    print_reports(&state, &reports);
    Ok(())
}

/// Describes a rollout state that no change in the history made: it was edited, or restored from a backup.
fn inconsistency(state: &RolloutState, last: Option<&Change>) -> Option<String> {
    let made = last.map_or(0, |change| change.generation);
    let generation = state.generation;
    (made != generation).then(|| {
        format!(
            "the rollout state has generation {generation}, and the last change in the history made generation \
             {made}: it was edited or restored, and hosts follow it as it is"
        )
    })
}

fn print_canary(canary: &Canary, counts: &CanaryCounts, halt: Option<&Halt>) {
    out!("canary    {} for {} of the connections", canary.release, canary.weight);
    let used = match canary.limit() {
        FailureLimit::Count(count) => format!("{} of {count} failures used", counts.failures()),
        FailureLimit::Rate(_) => format!("{} failures", counts.failures()),
    };
    out!(
        "          {used} in {} events: {} traps, {} missed deadlines, {} other errors",
        counts.events,
        counts.traps,
        counts.timeouts,
        counts.errors
    );
    if let FailureLimit::Rate(rate) = canary.limit() {
        out!("          may fail for {rate} more of its connections than the active release");
    }
    if let Some(halt) = halt {
        out!("          halted {} by {}: {}", render::time(halt.at), halt.host, halt.reason);
    }
}

fn describe_app(app: &App) -> String {
    let fingerprint: String = app.routing_fingerprint().chars().take(16).collect();
    format!("{} with {}, routing {fingerprint}", app.name, render::count(app.routes.len(), "route", "routes"))
}

fn print_reports(state: &RolloutState, reports: &BTreeMap<ReleaseId, LoadSummary>) {
    if reports.is_empty() {
        return;
    }
    out!();
    let mut reports: Vec<_> = reports.iter().collect();
    // Running releases come first, then the latest reports.
    reports.sort_by_key(|(id, report)| (!state.used().any(|used| used == *id), Reverse(report.at)));
    let rows: Vec<_> = reports
        .iter()
        .map(|(id, report)| {
            let failure = report.failure.as_ref();
            let failure =
                failure.map(|failure| format!("{} on {}: {}", render::time(failure.at), failure.host, failure.reason));
            [
                id.to_string(),
                report.loaded.to_string(),
                report.failed.to_string(),
                render::time(report.at),
                failure.unwrap_or_default(),
            ]
        })
        .collect();
    render::print_table(["RELEASE", "LOADED", "FAILED", "LAST REPORT", "LAST FAILURE"], &rows);
}
