//! What a component may ask of the world: the ports, their errors, grants and limits.
//!
//! The runtime calls the ports and owns their shape; `aws` and `gateway` implement them. A port's methods take a
//! [`Deadline`], by which they answer, and expect arguments that the runtime has already held against the grants.
//!
//! - [`storage`]: documents in collections
//! - [`registry`]: open connections, their attributes and groups
//! - [`messaging`]: messages to connections

mod awake;
pub mod deadline;
pub mod messaging;
pub mod registry;
pub mod storage;

pub use awake::AwakeInstant;
pub use deadline::Deadline;
pub use messaging::Messaging;
pub use registry::Registry;
pub use storage::Storage;
