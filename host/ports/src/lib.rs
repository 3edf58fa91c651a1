//! The ports: the interfaces between the runtime and the services that it uses for guests.
//!
//! The runtime calls the ports. The crate `aws` implements all of them, and the crate `gateway` implements
//! [`Messaging`] for a local run. Every method takes a [`Deadline`] and returns before it. The runtime checks the
//! grants of a route before each call.
//!
//! - [`storage`]: documents in collections
//! - [`registry`]: open connections, their attributes and groups
//! - [`messaging`]: messages to connections
//! - [`deadline`]: the deadline of a call
//! - [`memory`]: the memory budget of a process
//! - [`AwakeInstant`]: a point in time whose age includes suspensions of the process

mod awake;
pub mod deadline;
pub mod memory;
pub mod messaging;
pub mod registry;
pub mod storage;

pub use awake::AwakeInstant;
pub use deadline::Deadline;
pub use memory::{MemoryBudget, OutOfMemory, Reservation};
pub use messaging::Messaging;
pub use registry::Registry;
pub use storage::Storage;
