//! `tidegate release`: what is published, and which of it runs.
//!
//! - `target`: whose releases: those of a folder, or of a deployed stage
//! - `create`: from sources to a published release; `revision`: what the sources are
//! - `list`, `show`, `difference`, `status`, `history`: what there is, and what runs
//! - `moves`: what changes it; `candidate`: what must hold of a release before it runs
//! - `prune`: the removal of releases that nobody needs
//! - `text`: times, tables and JSON on standard output
//!
//! Each command prints text for people, or with `--json` one JSON value. Its members are named as those of a release's
//! document, and times are milliseconds since the Unix epoch.

mod backend;
mod candidate;
mod create;
mod diff;
mod history;
mod list;
mod prune;
mod render;
mod revision;
mod rollout;
mod show;
mod status;

use anyhow::Result;

use crate::args::Release;

pub(crate) use backend::default_dir;

/// Runs one of the commands.
///
/// # Errors
/// With what it could not do.
pub(crate) async fn run(command: &Release) -> Result<()> {
    match command {
        Release::Create(args) => create::run(args).await,
        Release::List(args) => list::run(args).await,
        Release::Show(args) => show::run(args).await,
        Release::Diff(args) => diff::run(args).await,
        Release::Activate(args) => rollout::activate(args).await,
        Release::Canary(args) => rollout::canary(args).await,
        Release::Promote(args) => rollout::promote(args).await,
        Release::Rollback(args) => rollout::rollback(args).await,
        Release::Status(args) => status::run(args).await,
        Release::History(args) => history::run(args).await,
        Release::Prune(args) => prune::run(args).await,
    }
}
