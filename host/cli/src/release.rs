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

mod candidate;
mod create;
mod difference;
mod history;
mod list;
mod moves;
mod prune;
mod revision;
mod show;
mod status;
mod target;
mod text;

use anyhow::Result;

use crate::args::Release;

pub(crate) use target::default_dir;

/// Runs one of the commands.
///
/// # Errors
/// With what it could not do.
pub(crate) async fn run(command: &Release) -> Result<()> {
    match command {
        Release::Create(args) => create::run(args).await,
        Release::List(args) => list::run(args).await,
        Release::Show(args) => show::run(args).await,
        Release::Diff(args) => difference::run(args).await,
        Release::Activate(args) => moves::activate(args).await,
        Release::Canary(args) => moves::canary(args).await,
        Release::Promote(args) => moves::promote(args).await,
        Release::Rollback(args) => moves::rollback(args).await,
        Release::Status(args) => status::run(args).await,
        Release::History(args) => history::run(args).await,
        Release::Prune(args) => prune::run(args).await,
    }
}
