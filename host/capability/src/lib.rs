//! What a component may ask of the world: the ports, their errors, grants and limits.
//!
//! The runtime calls the ports and owns their shape; `aws` and `gateway` implement them. A port's methods take a
//! [`Deadline`], by which they answer, and expect arguments that the runtime has already held against the [`Grants`].
//!
//! - [`storage`]: documents in collections
//! - [`registry`]: open connections, their attributes and groups
//! - [`messaging`]: messages to connections
//! - [`grants`]: what a route was granted
//! - [`limits`]: what one event of a route may use
//! - `conformance`, behind the feature of that name: a suite a port, which each implementation runs

#[cfg(feature = "conformance")]
pub mod conformance;
pub mod deadline;
pub mod grants;
pub mod limits;
pub mod messaging;
pub mod registry;
pub mod storage;

pub use deadline::Deadline;
pub use grants::Grants;
pub use limits::{LimitError, Limits};
pub use messaging::Messaging;
pub use registry::Registry;
pub use storage::Storage;
