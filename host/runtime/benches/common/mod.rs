//! Shared by both benchmarks: the echo guest on an engine, and an event for it.

use std::sync::Arc;
use std::time::Duration;

use tidegate_ports::Deadline;
use tidegate_runtime::{Engine, EngineOptions, Host};

use crate::fixture;

/// Returns hosts with the allocations to compare, by name.
pub(crate) fn hosts() -> [(&'static str, Arc<Host>); 2] {
    let host = |options| fixture::Fixture::with(Engine::new(options).unwrap(), fixture::app()).unwrap().host;
    let pool = if Engine::pagemap_scan() { "pool, resident" } else { "pool, batched decommit" };
    [(pool, host(EngineOptions::local())), ("on demand", host(EngineOptions::on_demand(1)))]
}

pub(crate) fn deadline() -> Deadline {
    Deadline::after(Duration::from_secs(29))
}

pub(crate) fn executor() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}
