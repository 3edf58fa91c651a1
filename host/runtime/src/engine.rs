//! The engine: one configuration for compiling and running, where instances are allocated, and how many there may be.

use std::sync::Arc;

use tidegate_app::Limits;
use tidegate_ports::Deadline;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::{
    Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig, WasmBacktraceDetails, WasmFeatures,
};

use crate::error::Error;
use crate::ticker::{TickGuard, Ticker};

/// The most instances at a time of a local host: what a pool reserves address space for, 4 GiB a memory.
pub const LOCAL_SLOTS: u32 = 128;
/// The most core instances of one component; a CPython-based one has about 20.
pub const MAX_CORE_INSTANCES: u32 = 64;
/// The most linear memories of one component; tool chains make one or two.
pub const MAX_MEMORIES: u32 = 2;
/// The most tables of one component; a CPython-based one has about ten.
pub const MAX_TABLES: u32 = 16;
/// The most elements of one table; CPython's has about 11,000.
pub const MAX_TABLE_ELEMENTS: usize = 30_000;
/// How much of a linear memory a pool keeps resident for the next instance: more than a Rust or QuickJS guest dirties.
const KEEP_RESIDENT: usize = 2 << 20;
/// How much of a table a pool keeps resident.
const KEEP_TABLE_RESIDENT: usize = 64 << 10;
/// How many slots are given back to the kernel at once where the pool cannot keep them resident.
const DECOMMIT_BATCH: usize = 16;

/// The version of Wasmtime, whose artifacts are its own; a test holds it against the lock file.
const WASMTIME: &str = "48.0.8";

/// Names what artifacts of this engine have in common: Wasmtime's version, and that of [`config`], whose number changes when
/// it does. A release for another engine is refused before any of it is loaded.
#[must_use]
pub fn id() -> String {
    format!("wasmtime-{WASMTIME}/1")
}

/// The CPU that artifacts for a target need at least; none for a target that Tidegate does not know. Artifacts are
/// compiled without any feature of the build machine.
#[must_use]
pub fn cpu_baseline(target: &str) -> Option<&'static str> {
    match target.split('-').next() {
        Some("x86_64") => Some("x86-64-v1"),
        Some("aarch64") => Some("armv8.0-a"),
        _ => None,
    }
}

/// The target of this host; none where Tidegate does not run components.
#[must_use]
pub fn target() -> Option<&'static str> {
    match (std::env::consts::ARCH, std::env::consts::OS) {
        ("x86_64", "linux") => Some("x86_64-unknown-linux-gnu"),
        ("aarch64", "linux") => Some("aarch64-unknown-linux-gnu"),
        _ => None,
    }
}

/// The configuration that compiles and runs components. An artifact loads only in an engine of the same configuration,
/// so the compiler calls this function too; it adds its target, the host its allocation.
#[must_use]
pub fn config() -> Config {
    let mut config = Config::new();
    config
        .gc_support(false)
        .wasm_features(WasmFeatures::THREADS | WasmFeatures::EXCEPTIONS, false)
        .concurrency_support(false)
        .epoch_interruption(true)
        .wasm_backtrace_details(WasmBacktraceDetails::Enable);
    config
}

/// Where instances are allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Allocation {
    /// Memory is mapped for each instance: nothing to set up, cheapest for one instance at a time.
    OnDemand,
    /// Memory is reserved once and reused.
    Pooling {
        /// Whether a slot's memory stays resident, reset by copying. Only faster with `PAGEMAP_SCAN`.
        keep_resident: bool,
    },
}

/// How an engine allocates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct EngineOptions {
    /// Where instances are allocated.
    pub allocation: Allocation,
    /// The most instances at a time; an event beyond them waits.
    pub slots: u32,
    /// The most instances beyond those that are made before their event comes, one a route.
    pub warm_instances: u32,
}

impl EngineOptions {
    /// Options for a long-lived host that serves many connections: a pool, kept resident where that is faster.
    #[must_use]
    pub fn local() -> Self {
        Self {
            allocation: Allocation::Pooling { keep_resident: PoolingAllocationConfig::is_pagemap_scan_available() },
            slots: LOCAL_SLOTS,
            // The work is the same and its cores are busy; measured, it took a tenth of the rate and gave no latency back.
            warm_instances: 0,
        }
    }

    /// Options for a host that runs `slots` events at a time and starts often, as on Lambda.
    #[must_use]
    pub fn on_demand(slots: u32) -> Self {
        Self { allocation: Allocation::OnDemand, slots: slots.max(1), warm_instances: 1 }
    }

    /// Options for a pool of `slots`, kept resident where that is faster.
    #[must_use]
    pub fn pooling(slots: u32) -> Self {
        Self { slots: slots.max(1), ..Self::local() }
    }
}

/// What runs components. A clone is the same engine.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    ticker: Ticker,
    slots: Arc<Semaphore>,
    warm_instances: Arc<Semaphore>,
    options: EngineOptions,
    wasmtime: wasmtime::Engine,
}

impl Engine {
    /// Makes an engine.
    ///
    /// # Errors
    /// When the pool's address space cannot be reserved, or the ticker's thread not be started.
    pub fn new(options: EngineOptions) -> Result<Self, Error> {
        let mut config = config();
        if let Allocation::Pooling { keep_resident } = options.allocation {
            config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(
                options.slots.saturating_add(options.warm_instances),
                keep_resident,
            )));
        }
        let wasmtime = wasmtime::Engine::new(&config).map_err(|error| Error::Engine(format!("{error:#}")))?;
        let ticker = Ticker::start(wasmtime.clone()).map_err(Error::Ticker)?;
        let slots = usize::try_from(options.slots).unwrap_or(usize::MAX).clamp(1, Semaphore::MAX_PERMITS);
        let warm_instances = usize::try_from(options.warm_instances).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Ok(Self(Arc::new(Inner {
            ticker,
            slots: Arc::new(Semaphore::new(slots)),
            warm_instances: Arc::new(Semaphore::new(warm_instances)),
            options,
            wasmtime,
        })))
    }

    /// Whether the kernel can say which pages a guest touched (`PAGEMAP_SCAN`, Linux 6.7); pools are fastest then.
    #[must_use]
    pub fn pagemap_scan() -> bool {
        PoolingAllocationConfig::is_pagemap_scan_available()
    }

    /// The options it was made with.
    #[must_use]
    pub fn options(&self) -> EngineOptions {
        self.0.options
    }

    pub(crate) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.0.wasmtime
    }

    /// Waits for a free slot; none when the deadline comes first.
    pub(crate) async fn slot(&self, deadline: Deadline) -> Option<OwnedSemaphorePermit> {
        let slots = || Arc::clone(&self.0.slots);
        match slots().try_acquire_owned() {
            Ok(permit) => Some(permit),
            Err(_) => tokio::time::timeout_at(deadline.instant().into(), slots().acquire_owned()).await.ok()?.ok(),
        }
    }

    /// Whether instances are made before their event at all.
    pub(crate) fn keeps_warm(&self) -> bool {
        self.0.options.warm_instances > 0
    }

    /// Room for an instance that waits for its event, if there is any.
    pub(crate) fn spare(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0.warm_instances).try_acquire_owned().ok()
    }

    /// Keeps the epochs coming while a guest runs.
    pub(crate) fn tick_guard(&self) -> TickGuard<'_> {
        self.0.ticker.run()
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("options", &self.0.options).finish_non_exhaustive()
    }
}

fn pool(slots: u32, keep_resident: bool) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(slots)
        .total_core_instances(slots.saturating_mul(MAX_CORE_INSTANCES))
        .total_memories(slots.saturating_mul(MAX_MEMORIES))
        .total_tables(slots.saturating_mul(MAX_TABLES))
        .total_stacks(slots)
        .max_core_instances_per_component(MAX_CORE_INSTANCES)
        .max_memories_per_component(MAX_MEMORIES)
        .max_tables_per_component(MAX_TABLES)
        .max_tables_per_module(MAX_TABLES)
        .table_elements(MAX_TABLE_ELEMENTS)
        .max_memory_size(Limits::MAX_MEMORY);
    if keep_resident {
        pool.pagemap_scan(Enabled::Auto)
            .linear_memory_keep_resident(KEEP_RESIDENT)
            .table_keep_resident(KEEP_TABLE_RESIDENT);
    } else {
        pool.decommit_batch_size(DECOMMIT_BATCH);
    }
    pool
}
