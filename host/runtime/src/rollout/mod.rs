//! Keeps a host in sync with the releases that its store says should run.
//!
//! The last good release stays active if a new release is faulty or the store fails.
//!
//! - `follower`: polls the store, around events or at intervals
//! - `snapshot`: a snapshot of the rollout state in the store, and its age
//! - `loader`: loads, verifies and links a release, and backs off after a failure
//! - `switch`: swaps the tracks of the host, and frees replaced releases
//! - `error_budget`: counts the failures of a canary, and detects that its budget is exhausted
//! - `error_rate`: compares the failures of a canary with those of the active release
//! - `halt`: publishes a halt until the store has recorded it
//! - `reports`: reports to the store whether releases load
//! - [`tracks`]: the releases that new events run on
//! - `hooks`: the customization points of one kind of host

mod error_budget;
mod error_rate;
mod follower;
mod halt;
mod hooks;
mod loader;
mod reports;
mod snapshot;
mod switch;
pub mod tracks;

pub use follower::{FollowOptions, Follower, MAX_AGE_BEFORE_EVENT, POLL_INTERVAL, REFRESH_BUDGET, host_profile};
pub use hooks::{OnEvent, Prepare, RolloutEvent, RolloutHooks, Select};
