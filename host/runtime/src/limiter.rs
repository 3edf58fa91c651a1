//! The memory limits of one instance, and its share of the process's budget.

use tidegate_ports::{MemoryBudget, OutOfMemory, Reservation};
use wasmtime::{ResourceLimiter, Result};

use crate::engine::MAX_TABLE_ELEMENTS;

/// Counts the bytes of all linear memories of an instance. Growth beyond the limit, or beyond the memory budget of the
/// process, is a trap, so that the log states the reason. A failed `memory.grow` would only reach the guest's
/// allocator, which reports nothing.
#[derive(Debug)]
pub(crate) struct Limiter {
    limit: usize,
    used: usize,
    /// The bytes of the instance in the budget of the process. The bytes that were reserved at its admission come
    /// first.
    reservation: Reservation,
}

impl Limiter {
    /// Creates the limiter of an instance that was admitted with `reservation`.
    pub(crate) fn new(limit: usize, reservation: Reservation) -> Self {
        Self { limit, used: 0, reservation }
    }

    /// Returns the budget of the process.
    pub(crate) fn budget(&self) -> &MemoryBudget {
        self.reservation.budget()
    }

    fn reserve(&mut self, used: usize) -> Result<(), OutOfMemory> {
        match used.checked_sub(self.reservation.bytes()) {
            Some(more) if more > 0 => self.reservation.try_grow(more),
            _ => Ok(()),
        }
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let used = self.used.saturating_add(desired.saturating_sub(current));
        if used > self.limit {
            let limit = self.limit;
            wasmtime::bail!("the memory limit of {limit} bytes is exhausted: {used} bytes were requested");
        }
        self.reserve(used)?;
        self.used = used;
        Ok(true)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        Ok(desired <= MAX_TABLE_ELEMENTS && maximum.is_none_or(|maximum| desired <= maximum))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    #[test]
    fn growth_beyond_the_budget_names_the_budget() {
        let budget = MemoryBudget::new(30 * MIB);
        let mut limiter = Limiter::new(64 * MIB, budget.try_reserve(2 * MIB).unwrap());
        // The bytes of the admission come first.
        assert!(limiter.memory_growing(0, 2 * MIB, None).unwrap());
        assert_eq!(budget.used(), 2 * MIB);
        assert!(limiter.memory_growing(2 * MIB, 20 * MIB, None).unwrap());
        assert_eq!(budget.used(), 20 * MIB);
        let refused = limiter.memory_growing(20 * MIB, 21 * MIB, None).unwrap_err();
        assert_eq!(refused.downcast_ref(), Some(&OutOfMemory { limit: 30 * MIB, requested: MIB }));
        assert!(refused.to_string().starts_with("the memory budget of 30 MiB is exhausted"));
        drop(limiter);
        assert_eq!(budget.used(), 0);
    }
}
