//! `tidegate release history`: who changed what runs, when and why.

use anyhow::{Context, Result};
use serde_json::json;
use tidegate_release::ReleaseId;

use crate::args;
use crate::release::backend::{Target, deadline, deed};
use crate::release::render as text;

/// Prints the changes, the newest first.
///
/// # Errors
/// When the store fails.
pub(crate) async fn run(args: &args::History) -> Result<()> {
    let target = Target::find(&args.anywhere.app, &args.anywhere.place).await?;
    let changes = target.store.history(args.limit, deadline()).await.context("cannot read the history")?;
    if args.anywhere.json {
        text::print_json(&json!({ "changes": changes }));
        return Ok(());
    }
    let release = |release: &Option<ReleaseId>| release.as_ref().map_or(text::NONE.to_owned(), ToString::to_string);
    let rows: Vec<_> = changes
        .iter()
        .map(|change| {
            let why = change.why.clone().unwrap_or_default();
            let (from, to) = (release(&change.from), release(&change.to));
            [change.generation.to_string(), text::time(change.at), from, to, deed(change), change.who.clone(), why]
        })
        .collect();
    text::print_table(["#", "WHEN", "FROM", "TO", "WHAT", "WHO", "WHY"], &rows);
    Ok(())
}
