//! Runs components as routes: the bytes of a proxy event in, the bytes of the integration's response out.
//!
//! An event is decoded, its route found in the active release, and the route's component called in a fresh instance that
//! has no authority but the route's grants. Only precompiled components are loaded: there is no compiler in this crate.
//! In the order of the flow:
//!
//! - [`dispatch`]: one event, from bytes to bytes
//! - `lifecycle`: what the host does around the guest: register, unregister, clean up
//! - [`tracks`]: the releases that events begin on
//! - [`follow`]: which releases those are, by the word of a store
//! - `router`: the routes of a release, over `component`, which loads and links an artifact
//! - [`interface`]: what a component imports and exports, held against the worlds and the grants
//! - [`engine`]: the one configuration, the pool, and the `ticker` that interrupts
//! - `prepared`: the next instance, made before its event
//! - [`instance`]: a fresh store for one event, with its `limiter` and its `state`
//! - `host`: what a guest may import: storage, messaging, connections, config; and `wasi`, without authority
//! - [`log`]: what a guest writes; `trap`: how a call ends that does not answer
//! - `reply`: what of the guest's answer becomes the response
//! - [`post_response`]: what is done once the response is posted

mod bindings;
mod component;
mod convert;
pub mod dispatch;
pub mod engine;
mod error;
pub mod guest_log;
mod handlers;
mod imports;
pub mod instance;
pub mod interface;
mod limiter;
mod ports;
pub mod post_response;
mod reply;
pub mod rollout;
mod routes;
mod state;
mod ticker;
mod trap;
mod warm;
mod wasi;

pub use dispatch::{Fault, Host, Outcome};
pub use engine::{Allocation, Engine, EngineOptions};
pub use error::{Error, Refusal};
pub use interface::{Incompatibility, Interfaces, Role};
pub use ports::Ports;
pub use post_response::PostResponse;
pub use rollout::{ActiveRelease, FollowOptions, Follower, LinkedRelease, Retired, RolloutHooks, Track, Tracks};
pub use routes::dry_run_link;
