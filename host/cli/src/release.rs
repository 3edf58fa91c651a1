//! `tidegate release`: publishes releases, and changes the rollout.
//!
//! - `backend`: the store of a folder or of a deployed stage
//! - `create`: from sources to a published release; `revision`: the revision of the sources; `signing`: its keys
//! - `list`, `show`, `diff`, `status`, `history`: read the store
//! - `rollout`: `activate`, `canary`, `promote` and `rollback`; `preflight`: checks a release before it runs
//! - `prune`: removes releases that are no longer needed
//! - `render`: times, tables and JSON on standard output
//!
//! Each command prints text for people, or with `--json` one JSON value. The members of the JSON value have the names
//! of the release manifest, and times are milliseconds since the Unix epoch.

mod backend;
mod create;
mod diff;
mod history;
mod list;
mod preflight;
mod prune;
pub(crate) mod render;
mod revision;
mod rollout;
mod show;
mod signing;
mod status;

use crate::args::Release;
use crate::ui::error::Result;

pub(crate) use backend::default_dir;

/// Runs one of the commands.
///
/// # Errors
/// The command fails.
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
