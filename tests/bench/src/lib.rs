//! Benchmarks over real sockets: a load generator, a bare WebSocket server, the floor, and who asks for versions.
//!
//! - [`socket`]: sockets with small buffers, the same at both ends
//! - [`latency`]: latencies, and their percentiles
//! - [`echo`]: closed-loop echo, N connections
//! - [`fanout`]: one sender, N receivers
//! - [`idle`]: N connections held open, and what they cost the server
//! - [`asking`]: one connection that asks which version answers

pub mod asking;
pub mod echo;
pub mod fanout;
pub mod idle;
pub mod latency;
pub mod socket;
