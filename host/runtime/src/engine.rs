//! The engine: one configuration for compiling and running, the allocation of instances, and their number.

use std::sync::Arc;

use tidegate_app::Limits;
use tidegate_ports::MemoryBudget;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::{
    Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig, WasmBacktraceDetails, WasmFeatures,
};

use crate::admission::Admission;
use crate::error::Error;
use crate::reaper::Reaper;
use crate::scheduler::Scheduler;
use crate::slots::Slots;
use crate::ticker::{TickGuard, Ticker};

/// The maximum number of concurrent instances of a local host. A pool reserves address space for all of them, 4 GiB for
/// each memory.
pub const LOCAL_SLOTS: u32 = 128;
/// The maximum number of core instances of one component. A CPython-based component has about 20, and a composed
/// component has those of all its parts.
pub const MAX_CORE_INSTANCES: u32 = 256;
/// The maximum number of linear memories of one component. Toolchains create one or two, and a composed component has
/// those of all its parts.
pub const MAX_MEMORIES: u32 = 8;
/// The maximum number of tables of one component. A CPython-based component has about ten.
pub const MAX_TABLES: u32 = 64;
/// The maximum number of elements of one table. CPython's table has about 11,000.
pub const MAX_TABLE_ELEMENTS: usize = 50_000;
/// The number of tables in the pool for each slot. The pool is one writable mapping, and the kernel refuses one that is
/// larger than the machine's memory. So components with more tables than this may run in fewer slots at a time.
const TABLES_PER_SLOT: u32 = 16;
/// The maximum size of the host's data about one core instance: mostly its functions whose address is taken, 32 bytes
/// each. A pool allocates what an instance needs.
const MAX_CORE_INSTANCE_BYTES: usize = 4 << 20;
/// The maximum size of the host's data about all instances of one component.
const MAX_COMPONENT_INSTANCE_BYTES: usize = 16 << 20;
/// The number of bytes of a linear memory that a pool keeps resident for the next instance. Rust and QuickJS guests
/// dirty less than this.
const KEEP_RESIDENT: usize = 2 << 20;
/// The bytes of a table that a pool keeps resident.
const KEEP_TABLE_RESIDENT: usize = 64 << 10;
/// The maximum number of calls to the database that guests of a pool have in progress. More would only wait in the
/// database's own queue, which is not fair.
const POOL_DATABASE_CALLS: usize = 8;
/// The maximum size of a guest's stack. A recursive parser needs a few hundred bytes for each level of nested JSON.
const WASM_STACK_BYTES: usize = 2 << 20;
/// The size of the stack on which a guest and the host functions that it calls run. A host function that exceeds it
/// would end the process, so it has as much as Wasmtime leaves by default.
const STACK_BYTES: usize = WASM_STACK_BYTES + (3 << 19);
/// The number of slots that are decommitted together if the pool cannot keep them resident.
const DECOMMIT_BATCH: usize = 16;

/// The version of Wasmtime, on which the format of artifacts depends. A test compares it with the lock file.
const WASMTIME: &str = "48.0.8";

/// Returns the id of this engine: Wasmtime's version and the version of [`config`], which changes with the
/// configuration. A release for another engine is refused before any part of it is loaded.
#[must_use]
pub fn id() -> String {
    format!("wasmtime-{WASMTIME}/2")
}

/// Returns the minimum CPU for the artifacts of a target, or `None` for a target that Tidegate does not support.
/// Artifacts are compiled for this CPU and not for the CPU of the build machine.
#[must_use]
pub fn cpu_baseline(target: &str) -> Option<&'static str> {
    match target.split('-').next() {
        Some("x86_64") => Some("x86-64-v1"),
        Some("aarch64") => Some("armv8.0-a"),
        _ => None,
    }
}

/// Returns the target of this host, or `None` on a machine on which Tidegate does not run components.
#[must_use]
pub fn target() -> Option<&'static str> {
    match (std::env::consts::ARCH, std::env::consts::OS) {
        ("x86_64", "linux") => Some("x86_64-unknown-linux-gnu"),
        ("aarch64", "linux") => Some("aarch64-unknown-linux-gnu"),
        _ => None,
    }
}

/// Returns the configuration for compiling and running components. An artifact loads only in an engine with the same
/// configuration, so the compiler calls this function too. The compiler adds its target, and the host adds its
/// allocation.
#[must_use]
pub fn config() -> Config {
    let mut config = Config::new();
    config
        .gc_support(false)
        .wasm_features(WasmFeatures::THREADS | WasmFeatures::EXCEPTIONS, false)
        .concurrency_support(false)
        .epoch_interruption(true)
        .max_wasm_stack(WASM_STACK_BYTES)
        .async_stack_size(STACK_BYTES)
        .wasm_backtrace_details(WasmBacktraceDetails::Enable);
    config
}

/// The allocation of instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Allocation {
    /// Memory is mapped for each instance. This strategy needs no setup, and is the cheapest one for one instance at a
    /// time.
    OnDemand,
    /// Memory is reserved once and reused.
    Pooling {
        /// True to keep the memory of a slot resident and to reset it by copying. This is faster only if the
        /// kernel has `PAGEMAP_SCAN`.
        keep_resident: bool,
    },
}

/// The options of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct EngineOptions {
    /// The allocation of instances.
    pub allocation: Allocation,
    /// The maximum number of concurrent instances. Further events wait for a slot.
    pub slots: u32,
    /// The maximum number of additional warm instances, with at most one per route.
    pub warm_instances: u32,
    /// The number of threads that run guests after their first tick. With 0, such a guest yields to the other tasks of
    /// the executor instead.
    pub guest_threads: u32,
}

impl EngineOptions {
    /// Returns the options of a long-lived host that serves many connections: a pool, resident if that is faster.
    #[must_use]
    pub fn local() -> Self {
        let keep_resident = PoolingAllocationConfig::is_pagemap_scan_available();
        let processors =
            std::thread::available_parallelism().map_or(1, |count| u32::try_from(count.get()).unwrap_or(1));
        Self {
            allocation: Allocation::Pooling { keep_resident },
            slots: LOCAL_SLOTS,
            // Measured: warm instances cost a busy host a tenth of its throughput, and did not lower the latency.
            warm_instances: 0,
            // Without `PAGEMAP_SCAN`, guests contend for the page tables of the process.
            guest_threads: if keep_resident { processors } else { 1 },
        }
    }

    /// Returns the options of a host that runs `slots` events at a time and starts often, as on Lambda.
    #[must_use]
    pub fn on_demand(slots: u32) -> Self {
        Self { allocation: Allocation::OnDemand, slots: slots.max(1), warm_instances: 1, guest_threads: 0 }
    }

    /// Returns the options of a pool of `slots`, resident if that is faster.
    #[must_use]
    pub fn pooling(slots: u32) -> Self {
        Self { slots: slots.max(1), ..Self::local() }
    }
}

/// Runs components. Clones share one engine.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    // Dropped before the ticker, which ends the slice of a guest.
    scheduler: Scheduler,
    ticker: Ticker,
    slots: Slots,
    database_calls: Slots,
    warm_instances: Arc<Semaphore>,
    options: EngineOptions,
    wasmtime: wasmtime::Engine,
    reaper: Reaper,
    admission: Admission,
}

impl Engine {
    /// Creates an engine.
    ///
    /// # Errors
    /// [`Error::Engine`] if the address space of the pool cannot be reserved, [`Error::Ticker`] if the thread of the
    /// ticker or a guest thread does not start.
    pub fn new(options: EngineOptions) -> Result<Self, Error> {
        Self::with_memory(options, MemoryBudget::unlimited())
    }

    /// Creates an engine whose instances share the memory budget of the process.
    ///
    /// # Errors
    /// The errors of [`new`](Self::new).
    pub fn with_memory(options: EngineOptions, memory: MemoryBudget) -> Result<Self, Error> {
        let mut config = config();
        if let Allocation::Pooling { keep_resident } = options.allocation {
            config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(
                options.slots.saturating_add(options.warm_instances),
                keep_resident,
            )));
        }
        let wasmtime = wasmtime::Engine::new(&config).map_err(|error| Error::Engine(format!("{error:#}")))?;
        let ticker = Ticker::start(wasmtime.clone()).map_err(Error::Ticker)?;
        let scheduler = Scheduler::start(options.guest_threads).map_err(Error::Ticker)?;
        let slots = usize::try_from(options.slots).unwrap_or(usize::MAX).max(1);
        let database_calls = match options.allocation {
            Allocation::Pooling { .. } => POOL_DATABASE_CALLS,
            // DynamoDB itself serves all of them at once. A call that waited would only take longer.
            Allocation::OnDemand => usize::MAX / 4,
        };
        let warm_instances = usize::try_from(options.warm_instances).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Ok(Self(Arc::new(Inner {
            scheduler,
            ticker,
            slots: Slots::new(slots),
            database_calls: Slots::new(database_calls),
            warm_instances: Arc::new(Semaphore::new(warm_instances)),
            options,
            wasmtime,
            reaper: Reaper::default(),
            admission: Admission::new(memory, STACK_BYTES),
        })))
    }

    /// Returns true if the kernel can list the pages that a guest touched (`PAGEMAP_SCAN`, Linux 6.7). Pools are
    /// fastest on such a kernel.
    #[must_use]
    pub fn pagemap_scan() -> bool {
        PoolingAllocationConfig::is_pagemap_scan_available()
    }

    /// Returns the options of the engine.
    #[must_use]
    pub fn options(&self) -> EngineOptions {
        self.0.options
    }

    /// Returns the memory of the instances, which all events share.
    pub(crate) fn admission(&self) -> &Admission {
        &self.0.admission
    }

    /// Returns the reaper of gone connections, which all events share.
    pub(crate) fn reaper(&self) -> &Reaper {
        &self.0.reaper
    }

    /// Creates an engine that loads the same artifacts and has no pool, to find the limit of the pool that refused one.
    pub(crate) fn without_pool() -> Result<wasmtime::Engine, Error> {
        wasmtime::Engine::new(&config()).map_err(|error| Error::Engine(format!("{error:#}")))
    }

    pub(crate) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.0.wasmtime
    }

    /// Returns the slots, which routes register for.
    pub(crate) fn slots(&self) -> &Slots {
        &self.0.slots
    }

    /// Returns the calls to the database that may be in progress.
    pub(crate) fn database_calls(&self) -> &Slots {
        &self.0.database_calls
    }

    /// Returns the scheduler of guests.
    pub(crate) fn scheduler(&self) -> &Scheduler {
        &self.0.scheduler
    }

    /// Returns true if instances are created before their event.
    pub(crate) fn keeps_warm(&self) -> bool {
        self.0.options.warm_instances > 0
    }

    /// Takes a slot for a warm instance, if one is free.
    pub(crate) fn warm_slot(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0.warm_instances).try_acquire_owned().ok()
    }

    /// Advances the epoch until the guard is dropped.
    pub(crate) fn tick_guard(&self) -> TickGuard {
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
        .total_tables(slots.saturating_mul(TABLES_PER_SLOT).max(MAX_TABLES))
        .total_stacks(slots)
        .max_core_instances_per_component(MAX_CORE_INSTANCES)
        .max_memories_per_component(MAX_MEMORIES)
        .max_memories_per_module(MAX_MEMORIES)
        .max_core_instance_size(MAX_CORE_INSTANCE_BYTES)
        .max_component_instance_size(MAX_COMPONENT_INSTANCE_BYTES)
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
