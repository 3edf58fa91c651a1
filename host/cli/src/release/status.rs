//! `tidegate release status`: which release runs, how the canary does, and what hosts report.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::json;
use tidegate_app::App;
use tidegate_release::rollout::{Canary, Halt};
use tidegate_release::store::{CanaryCounts, LoadSummary};
use tidegate_release::{ReleaseId, RolloutState};

use crate::args;
use crate::release::backend::{Target, deadline, sentence};
use crate::release::render as text;
use crate::ui::output::out;

/// Prints what runs.
///
/// # Errors
/// When the store fails.
pub(crate) async fn run(args: &args::Anywhere) -> Result<()> {
    let target = Target::find(&args.app, &args.place).await?;
    let pointer = target.pointer().await?;
    let halt = target.halt(&pointer).await?;
    let tally = match &pointer.canary {
        Some(canary) => {
            Some(target.store.canary_counts(canary.run, deadline()).await.context("cannot read how the canary does")?)
        }
        None => None,
    };
    let reports = target.store.load_reports(deadline()).await.context("cannot read what hosts reported")?;
    let last = target.store.history(1, deadline()).await.context("cannot read the history")?.into_iter().next();
    if args.json {
        text::print_json(&json!({
            "pointer": pointer,
            "halt": halt,
            "tally": tally,
            "last-change": last,
            "reports": reports,
            "deployed": target.deployed,
        }));
        return Ok(());
    }
    let none = || "none: hosts run what they were deployed with".to_owned();
    out!("active    {}", pointer.active.as_ref().map_or_else(none, ToString::to_string));
    if let Some(canary) = &pointer.canary {
        print_canary(canary, &tally.unwrap_or_default(), halt.as_ref());
    }
    if !pointer.pruning.is_empty() {
        let releases: Vec<_> = pointer.pruning.iter().map(ToString::to_string).collect();
        out!("pruning   {}; `tidegate release prune` ends what was broken off", releases.join(", "));
    }
    if let Some(change) = &last {
        out!("changed   {}, by {}", sentence(change), change.who);
    }
    out!("deployed  {}", target.deployed.as_ref().map_or("nothing that is known".to_owned(), deployed));
    print_reports(&pointer, &reports);
    Ok(())
}

fn print_canary(canary: &Canary, tally: &CanaryCounts, halt: Option<&Halt>) {
    out!("canary    {} for {} of the connections", canary.release, canary.weight);
    out!(
        "          {} of {} failures used in {} events: {} traps, {} missed deadlines, {} other errors",
        tally.failures(),
        canary.error_budget,
        tally.events,
        tally.traps,
        tally.timeouts,
        tally.errors
    );
    if let Some(halt) = halt {
        out!("          halted {} by {}: {}", text::time(halt.at), halt.host, halt.reason);
    }
}

fn deployed(app: &App) -> String {
    let fingerprint: String = app.routing_fingerprint().chars().take(16).collect();
    format!("{} with {}, routing {fingerprint}", app.name, text::count(app.routes.len(), "route", "routes"))
}

fn print_reports(pointer: &RolloutState, reports: &BTreeMap<ReleaseId, LoadSummary>) {
    if reports.is_empty() {
        return;
    }
    out!();
    let mut reports: Vec<_> = reports.iter().collect();
    // What runs comes first, then what was reported last.
    reports.sort_by_key(|(id, reported)| (!pointer.used().any(|used| used == *id), std::cmp::Reverse(reported.at)));
    let row = |(id, reported): &(&ReleaseId, &LoadSummary)| {
        let failure = reported.failure.as_ref();
        let failure = failure.map(|it| format!("{} on {}: {}", text::time(it.at), it.host, it.reason));
        let (loaded, failed) = (reported.loaded.to_string(), reported.failed.to_string());
        [id.to_string(), loaded, failed, text::time(reported.at), failure.unwrap_or_default()]
    };
    let rows: Vec<_> = reports.iter().map(row).collect();
    text::print_table(["RELEASE", "LOADED", "FAILED", "LAST REPORT", "LAST FAILURE"], &rows);
}
