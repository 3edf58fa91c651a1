//! What one event of a route may use.

use std::time::Duration;

/// What one event of a route may use. The manifest sets `memory` and `time`; the rest are the host's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The linear memories of one instance together, in bytes.
    pub memory: usize,
    /// Wall-clock time of one call, host calls included; Lambda's own deadline may be nearer.
    pub time: Duration,
    /// Bytes that host calls may move into and out of one instance: four of the largest messages' worth of lists and
    /// strings would be too few for a page of documents, Wasmtime's default of 128 MiB too many for a 512 MB Lambda.
    pub host_call_bytes: usize,
    /// Open handles (collections, WASI streams) of one instance; Wasmtime's default is a million.
    pub handles: usize,
}

impl Limits {
    /// The smallest memory that the manifest may set: QuickJS starts with less than 2 MiB, one Rust guest with 1.1 MiB.
    pub const MIN_MEMORY: usize = 1 << 20;
    /// The largest memory that the manifest may set: what a pool slot reserves.
    pub const MAX_MEMORY: usize = 512 << 20;
    /// The longest time that the manifest may set: API Gateway's integration timeout.
    pub const MAX_TIME: Duration = Duration::from_secs(29);
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 64 << 20,
            time: Duration::from_secs(2),
            host_call_bytes: 16 << 20,
            handles: 1_024,
        }
    }
}
