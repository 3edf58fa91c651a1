//! The admission of instances: an instance begins only if its memory fits into the budget of the process.

use std::sync::atomic::{AtomicUsize, Ordering};

use tidegate_ports::{Deadline, MemoryBudget, Reservation};

/// The bytes of an instance without its linear memories and its stack: its tables, and the host's own data.
const OVERHEAD: usize = 256 << 10;
/// Warm instances begin only while this part of the budget, one quarter, is enough for everything.
const WARM_PART: usize = 4;

/// The memory of the instances of an engine.
pub(crate) struct Admission {
    budget: MemoryBudget,
    /// The bytes of one stack. A guest may touch all of them.
    stack_bytes: usize,
    /// The largest number of stacks that were in use at a time.
    stacks: AtomicUsize,
}

impl Admission {
    pub(crate) fn new(budget: MemoryBudget, stack_bytes: usize) -> Self {
        Self { budget, stack_bytes, stacks: AtomicUsize::new(0) }
    }

    /// Returns the budget of the process.
    pub(crate) fn budget(&self) -> &MemoryBudget {
        &self.budget
    }

    /// Reserves the memory with which an instance starts, its `initial` linear memories included. Waits for room, and
    /// returns `None` at the deadline.
    pub(crate) async fn admit(
        &self,
        engine: &wasmtime::Engine,
        initial: usize,
        deadline: Deadline,
    ) -> Option<Reservation> {
        self.count_residue(engine);
        let bytes = initial.saturating_add(OVERHEAD).saturating_add(self.stack_bytes);
        match self.budget.try_reserve(bytes) {
            Ok(reservation) => Some(reservation),
            Err(_) => tokio::time::timeout_at(deadline.instant().into(), self.budget.reserve(bytes)).await.ok(),
        }
    }

    /// Reserves the memory of an instance that waits for its event, if all such instances have at most a quarter of the
    /// budget. Events would wait for the memory of an instance that none of them takes.
    pub(crate) fn admit_warm(&self, initial: usize) -> Option<Reservation> {
        let bytes = initial.saturating_add(OVERHEAD).saturating_add(self.stack_bytes);
        let fits = self.budget.used().saturating_add(bytes) <= self.budget.limit() / WARM_PART;
        if fits { self.budget.try_reserve(bytes).ok() } else { None }
    }

    /// Counts the memory that the pool keeps for its next instances: parts of linear memories and tables, and stacks
    /// that were used before. It counts at most half of the budget, because the next instance uses it again: memory
    /// that nobody uses must not keep every instance waiting.
    fn count_residue(&self, engine: &wasmtime::Engine) {
        let Some(metrics) = engine.pooling_allocator_metrics() else { return };
        let in_use = metrics.stacks();
        let stacks = self.stacks.fetch_max(in_use, Ordering::Relaxed).saturating_sub(in_use);
        let residue = metrics
            .unused_memory_bytes_resident()
            .saturating_add(metrics.unused_table_bytes_resident())
            .saturating_add(stacks.saturating_mul(self.stack_bytes));
        self.budget.set_residue(residue.min(self.budget.limit() / 2));
    }
}
