//! `tidegate release history`: the changes of the rollout.

use serde_json::json;
use tidegate_release::ReleaseId;

use crate::args;
use crate::release::backend::{StoreBackend, describe_effect};
use crate::release::render;
use crate::ui::error::Result;

/// Prints the changes, the newest first.
///
/// # Errors
/// The store fails.
pub(crate) async fn run(args: &args::History) -> Result<()> {
    let backend = StoreBackend::find(&args.store).await?;
    let changes = backend.history(args.limit).await?;
    if args.store.json {
        render::print_json(&json!({ "changes": changes }));
        return Ok(());
    }
    let release = |release: &Option<ReleaseId>| release.as_ref().map_or(render::NONE.to_owned(), ToString::to_string);
    let rows: Vec<_> = changes
        .iter()
        .map(|change| {
            [
                change.generation.to_string(),
                render::time(change.at),
                release(&change.from),
                release(&change.to),
                describe_effect(change),
                change.who.clone(),
                change.why.clone().unwrap_or_default(),
            ]
        })
        .collect();
    render::print_table(["#", "WHEN", "FROM", "TO", "WHAT", "WHO", "WHY"], &rows);
    Ok(())
}
