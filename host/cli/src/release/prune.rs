//! `tidegate release prune`: the removal of releases that nobody needs.

use anyhow::{Context, Result, anyhow};
use serde_json::json;
use tidegate_event::Timestamp;
use tidegate_release::StoreError;
use tidegate_release::prune::{Author, PruneError, Pruned, Rules, plan, prune};

use crate::args;
use crate::release::backend::Target;
use crate::release::render::{self as text, count};
use crate::ui::output::out;

/// Removes what nobody needs, and prints what that was.
///
/// # Errors
/// When a release that stays cannot be read, or the store fails.
pub(crate) async fn run(args: &args::Prune) -> Result<()> {
    let target = Target::find(&args.anywhere.app, &args.anywhere.place).await?;
    let rules = Rules { keep: args.keep, min_age: args.min_age };
    let pruned = match args.dry_run {
        true => plan(&*target.store, rules, Timestamp::now()).await.context("cannot say what nobody needs")?,
        false => {
            let author = Author { who: target.who.clone(), why: args.why.reason.clone() };
            prune(&*target.store, rules, Timestamp::now(), &author).await.map_err(refused)?
        }
    };
    if args.anywhere.json {
        let Pruned { releases, artifacts, kept, resumed, .. } = pruned;
        text::print_json(&json!({
            "dry-run": args.dry_run,
            "releases": releases,
            "artifacts": artifacts,
            "kept": kept,
            "resumed": resumed,
        }));
        return Ok(());
    }
    if !pruned.resumed.is_empty() {
        eprintln!("tidegate: an earlier prune was broken off, and is ended by this one");
    }
    pruned.releases.iter().for_each(|release| out!("{release}"));
    let (releases, artifacts) = (pruned.releases.len(), pruned.artifacts.len());
    let (releases, artifacts) = (count(releases, "release", "releases"), count(artifacts, "artifact", "artifacts"));
    let (remove, keep) = if args.dry_run { ("would remove", "keep") } else { ("removed", "kept") };
    let kept = count(pruned.kept.len(), "release", "releases");
    eprintln!("tidegate: {remove} {releases} and {artifacts}, and {keep} {kept}");
    Ok(())
}

fn refused(error: PruneError) -> anyhow::Error {
    match error {
        PruneError::Store(StoreError::Conflict(problem)) => {
            anyhow!("somebody moved the pointer meanwhile: {problem}; hint: try again")
        }
        error => anyhow::Error::from(error).context("cannot prune"),
    }
}
