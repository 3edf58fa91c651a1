//! Runs components as routes: the bytes of a proxy event in, the bytes of the integration's response out.
//!
//! An event is decoded, its route is found in the active release, and the route's component is called in a fresh
//! instance that has no authority but the route's grants. The crate loads precompiled components only: it contains no
//! compiler. In the order of the flow:
//!
//! - [`dispatch`]: one event, from bytes to bytes, and its [`outcome`]
//! - `handlers`: the host's work around the guest: register, unregister, clean up
//! - [`rollout`]: keeps the host in sync with the releases that its store says should run
//! - `routes`: the routes of a release, over `component`, which loads and links an artifact
//! - [`interface`]: the rules for the imports and exports of components
//! - [`engine`]: the one engine configuration, the pool, and the `ticker` that interrupts guests
//! - [`instance`]: a fresh instance for one event, with its `state`, its `limiter` and its `permissions`; `admission`:
//!   its memory in the budget of the process
//! - `slots`: the shares that routes have of the slots; `scheduler`: the threads that guests run on
//! - `warm`: instances that are created before their event
//! - `imports`: the interfaces that a guest may import; `wasi`, without authority
//! - [`guest_log`]: the output of guests; `context`: the fields of every log line about an event
//! - `trap`: calls that end without an answer; `reply`: converts a guest's answer to the response
//! - [`post_response`]: the work after the response is posted, with the `reaper` of gone connections

mod admission;
mod bindings;
mod component;
mod context;
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
mod offload;
pub mod outcome;
mod permissions;
mod ports;
pub mod post_response;
mod reaper;
mod reply;
pub mod rollout;
mod route;
mod routes;
mod scheduler;
pub mod slots;
mod state;
mod ticker;
mod trap;
mod warm;
mod wasi;

pub use dispatch::Host;
pub use engine::{Allocation, Engine, EngineOptions};
pub use error::Error;
pub use interface::{Incompatibility, Interfaces, Refusal, Role};
pub use outcome::{EventKind, EventSource, Fault, Outcome};
pub use ports::{Ports, RoutePorts};
pub use post_response::PostResponse;
pub use rollout::tracks::{ActiveRelease, IdleRelease, LinkedRelease, Retired, Track, Tracks};
pub use rollout::{FollowOptions, Follower, RolloutHooks};
pub use routes::dry_run_link;
