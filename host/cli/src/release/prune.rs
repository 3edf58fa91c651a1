//! `tidegate release prune`: removes releases that are no longer needed.

use serde_json::json;
use tidegate_diagnostic::{Code, Diagnostic};
use tidegate_event::Timestamp;
use tidegate_release::StoreError;
use tidegate_release::prune::{Author, PruneError, Pruned, Rules, plan, prune};

use crate::args;
use crate::release::backend::StoreBackend;
use crate::release::render::{self, count};
use crate::ui::error::Result;
use crate::ui::terminal::{err, out};

/// Removes the releases that are no longer needed, and prints their ids.
///
/// # Errors
/// A release that stays cannot be read, or the store fails.
pub(crate) async fn run(args: &args::Prune) -> Result<()> {
    let backend = StoreBackend::find(&args.store).await?;
    let rules = Rules { keep: args.keep, min_age: args.min_age };
    let pruned = match args.dry_run {
        true => plan(&*backend.store, rules, Timestamp::now()).await,
        false => {
            let author = Author { who: backend.who.clone(), why: args.reason.reason.clone() };
            prune(&*backend.store, rules, Timestamp::now(), &author).await
        }
    };
    let pruned = pruned.map_err(prune_error)?;
    if args.store.json {
        let Pruned { releases, artifacts, kept, resumed, .. } = pruned;
        render::print_json(&json!({
            "dry-run": args.dry_run,
            "releases": releases,
            "artifacts": artifacts,
            "kept": kept,
            "resumed": resumed,
        }));
        return Ok(());
    }
    print(&pruned, args.dry_run);
    Ok(())
}

fn print(pruned: &Pruned, dry_run: bool) {
    if !pruned.resumed.is_empty() {
        err!("tidegate: completed an earlier prune that was interrupted");
    }
    pruned.releases.iter().for_each(|release| out!("{release}"));
    let releases = count(pruned.releases.len(), "release", "releases");
    let artifacts = count(pruned.artifacts.len(), "artifact", "artifacts");
    let kept = count(pruned.kept.len(), "release", "releases");
    match dry_run {
        true => err!("tidegate: would remove {releases} and {artifacts}, and keep {kept}"),
        false => err!("tidegate: removed {releases} and {artifacts}, and kept {kept}"),
    }
}

fn prune_error(error: PruneError) -> Diagnostic {
    let what = "cannot prune the releases";
    match error {
        PruneError::Store(StoreError::Conflict(failure)) => {
            let why = format!("another operator changed the rollout meanwhile: {}", failure.why);
            Diagnostic::new(Code::RolloutConflict, what, why).hint("try again")
        }
        error => Diagnostic::from(error).context(what),
    }
}
