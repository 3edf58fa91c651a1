//! Keeps a host in sync with the releases that its store says should run.

mod error_budget;
mod follower;
mod hooks;
mod loader;
mod snapshot;
mod tracks;

pub use follower::{FollowOptions, Follower, MAX_AGE_BEFORE_EVENT, POLL_INTERVAL, REFRESH_BUDGET, host_profile};
pub use hooks::{OnEvent, Prepare, RolloutEvent, RolloutHooks, Select};
pub use tracks::{ACTIVE_RELEASE, ActiveRelease, LinkedRelease, Retired, Track, Tracks};
