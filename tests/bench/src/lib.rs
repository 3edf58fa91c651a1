//! Benchmarks over real sockets: a load generator, a bare WebSocket server as the baseline, and a prober of versions.
//!
//! - [`socket`]: sockets with small buffers, the same at both ends
//! - [`latency`]: latencies and their percentiles
//! - [`connect`]: closed-loop handshakes, N clients
//! - [`echo`]: closed-loop echo, N connections
//! - [`fanout`]: one sender, N receivers
//! - [`idle`]: N connections held open, and the server's memory for them
//! - [`probe`]: one connection that asks a server for its version

pub mod connect;
pub mod echo;
pub mod fanout;
pub mod idle;
pub mod latency;
pub mod probe;
pub mod socket;
