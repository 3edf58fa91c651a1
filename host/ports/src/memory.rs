//! The memory budget of a process.
//!
//! Everything whose size a guest or a client decides reserves its bytes before it allocates them: linear memories,
//! stacks, queued messages, unfinished messages, deferred sends, calls under way. So the process stays within its
//! budget whatever they do.
//!
//! No holder can take the last bytes: a holder may have at most twice as many bytes as stay free. The first busy holder
//! gets most of the budget, and there is always room for a small one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::sync::Notify;

/// The number of bytes that a holder may have for each byte that stays free.
const FACTOR: usize = 2;

/// A memory budget, or a part of one. Clones share it.
///
/// ```
/// use tidegate_ports::MemoryBudget;
///
/// let budget = MemoryBudget::new(9 << 20);
/// let held = budget.try_reserve(6 << 20)?;
/// assert!(budget.try_reserve(3 << 20).is_err(), "nothing would stay free");
/// drop(held);
/// assert_eq!((budget.used(), budget.peak(), budget.refused()), (0, 6 << 20, 1));
/// # Ok::<(), tidegate_ports::OutOfMemory>(())
/// ```
#[derive(Debug, Clone)]
pub struct MemoryBudget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limit: usize,
    /// The bytes of all reservations.
    reserved: AtomicUsize,
    /// The bytes that stay allocated although nobody holds them.
    residue: AtomicUsize,
    peak: AtomicUsize,
    refused: AtomicU64,
    /// Notified when bytes are released.
    released: Notify,
    /// The budget that this one is a part of.
    whole: Option<MemoryBudget>,
}

/// A refusal: the budget has no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the memory budget of {} MiB is exhausted: {requested} more bytes were requested", .limit >> 20)]
pub struct OutOfMemory {
    /// The limit of the budget, in bytes.
    pub limit: usize,
    /// The number of bytes that were requested.
    pub requested: usize,
}

/// Bytes of a budget that one holder has. Dropping it releases them.
#[derive(Debug)]
pub struct Reservation {
    budget: MemoryBudget,
    bytes: usize,
}

impl MemoryBudget {
    /// Creates a budget of `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self::with(limit, None)
    }

    /// Creates a budget that refuses nothing.
    #[must_use]
    pub fn unlimited() -> Self {
        Self::new(usize::MAX)
    }

    /// Creates a part of this budget. Its bytes count here too, and are at most `limit`.
    #[must_use]
    pub fn part(&self, limit: usize) -> Self {
        Self::with(limit.min(self.0.limit), Some(self.clone()))
    }

    fn with(limit: usize, whole: Option<Self>) -> Self {
        Self(Arc::new(Shared {
            limit,
            reserved: AtomicUsize::new(0),
            residue: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            refused: AtomicU64::new(0),
            released: Notify::new(),
            whole,
        }))
    }

    /// Returns the limit in bytes.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.0.limit
    }

    /// Returns the number of bytes in use.
    #[must_use]
    pub fn used(&self) -> usize {
        self.0.reserved.load(Ordering::Relaxed).saturating_add(self.0.residue.load(Ordering::Relaxed))
    }

    /// Returns the largest number of bytes that were in use at a time.
    #[must_use]
    pub fn peak(&self) -> usize {
        self.0.peak.load(Ordering::Relaxed)
    }

    /// Returns the number of refusals.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }

    /// Sets the number of bytes that stay allocated although nobody holds them, for example memory that a pool keeps
    /// for its next instance.
    pub fn set_residue(&self, bytes: usize) {
        self.0.residue.store(bytes, Ordering::Relaxed);
    }

    /// Returns an empty reservation, which can grow.
    #[must_use]
    pub fn holder(&self) -> Reservation {
        Reservation { budget: self.clone(), bytes: 0 }
    }

    /// Reserves bytes for a new holder.
    ///
    /// # Errors
    /// [`OutOfMemory`] if there is no room.
    pub fn try_reserve(&self, bytes: usize) -> Result<Reservation, OutOfMemory> {
        let mut reservation = self.holder();
        reservation.try_grow(bytes)?;
        Ok(reservation)
    }

    /// Reserves bytes for a new holder, and waits until there is room. Cancel safe.
    pub async fn reserve(&self, bytes: usize) -> Reservation {
        loop {
            // Created before the attempt, so that no release is missed.
            let released = self.outermost().0.released.notified();
            match self.try_reserve(bytes) {
                Ok(reservation) => return reservation,
                Err(_) => released.await,
            }
        }
    }

    /// Returns the budget whose releases include those of all its parts.
    fn outermost(&self) -> &Self {
        self.0.whole.as_ref().map_or(self, Self::outermost)
    }

    /// Takes bytes for a holder that has `held` bytes.
    fn take(&self, held: usize, bytes: usize) -> Result<(), OutOfMemory> {
        let shared = &*self.0;
        let refuse = |_| {
            shared.refused.fetch_add(1, Ordering::Relaxed);
            OutOfMemory { limit: shared.limit, requested: bytes }
        };
        let residue = shared.residue.load(Ordering::Relaxed);
        let add = |reserved: usize| {
            let reserved = reserved.checked_add(bytes)?;
            let free = shared.limit.checked_sub(reserved.checked_add(residue)?)?;
            (held.checked_add(bytes)? <= free.saturating_mul(FACTOR)).then_some(reserved)
        };
        let before = shared.reserved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).map_err(refuse)?;
        if let Some(whole) = &shared.whole {
            whole.take(held, bytes).inspect_err(|_| {
                shared.reserved.fetch_sub(bytes, Ordering::Relaxed);
            })?;
        }
        shared.peak.fetch_max(before.saturating_add(bytes).saturating_add(residue), Ordering::Relaxed);
        Ok(())
    }

    fn release(&self, bytes: usize) {
        if bytes == 0 {
            return;
        }
        self.0.reserved.fetch_sub(bytes, Ordering::Relaxed);
        match &self.0.whole {
            Some(whole) => whole.release(bytes),
            None => self.0.released.notify_waiters(),
        }
    }
}

impl Default for MemoryBudget {
    fn default() -> Self {
        Self::unlimited()
    }
}

impl Reservation {
    /// Returns the number of bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the budget.
    #[must_use]
    pub fn budget(&self) -> &MemoryBudget {
        &self.budget
    }

    /// Reserves more bytes.
    ///
    /// # Errors
    /// [`OutOfMemory`] if there is no room. The reservation is then unchanged.
    pub fn try_grow(&mut self, bytes: usize) -> Result<(), OutOfMemory> {
        if bytes > 0 {
            self.budget.take(self.bytes, bytes)?;
            self.bytes += bytes;
        }
        Ok(())
    }

    /// Releases bytes, at most all of them.
    pub fn shrink(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        self.budget.release(bytes);
    }

    /// Grows or shrinks to `bytes`.
    ///
    /// # Errors
    /// [`OutOfMemory`] if there is no room. The reservation is then unchanged.
    pub fn try_resize(&mut self, bytes: usize) -> Result<(), OutOfMemory> {
        match bytes.checked_sub(self.bytes) {
            Some(more) => self.try_grow(more),
            None => {
                self.shrink(self.bytes - bytes);
                Ok(())
            }
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.release(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    #[test]
    fn greedy_holders_leave_room_for_a_small_one() {
        for count in [1, 2, 7, 64] {
            let budget = MemoryBudget::new(1_024 * MIB);
            let mut holders: Vec<_> = (0..count).map(|_| budget.holder()).collect();
            let mut grown = true;
            while grown {
                grown = holders.iter_mut().filter_map(|holder| holder.try_grow(MIB).ok()).count() > 0;
            }
            assert!(budget.try_reserve(MIB).is_ok(), "{count} holders have {} MiB", budget.used() / MIB);
            let largest = holders.iter().map(Reservation::bytes).max().unwrap_or_default();
            assert!(budget.limit() - budget.used() >= largest / FACTOR);
            drop(holders);
            assert_eq!(budget.used(), 0);
        }
    }

    #[test]
    fn residue_counts_and_peaks_are_kept() {
        let budget = MemoryBudget::new(100);
        budget.set_residue(40);
        assert!(budget.try_reserve(41).is_err());
        let held = budget.try_reserve(40).unwrap();
        assert_eq!((held.bytes(), budget.used(), budget.peak(), budget.refused()), (40, 80, 80, 1));
        drop(held);
        assert_eq!((budget.used(), budget.peak()), (40, 80));
    }

    #[test]
    fn a_part_is_bounded_by_its_limit_and_by_the_whole() {
        let whole = MemoryBudget::new(100);
        let part = whole.part(30);
        assert!(part.try_reserve(21).is_err());
        let mut held = part.try_reserve(20).unwrap();
        assert_eq!((part.used(), whole.used()), (20, 20));
        held.try_resize(5).unwrap();
        assert_eq!((part.used(), whole.used()), (5, 5));
        let other = whole.try_reserve(60).unwrap();
        assert!(part.try_reserve(25).is_err());
        whole.set_residue(35);
        assert!(part.try_reserve(1).is_err(), "the whole has no room");
        assert_eq!(part.used(), 5, "a refusal takes nothing");
        drop((held, other));
        assert_eq!((part.used(), whole.used()), (0, 35));
    }

    #[tokio::test]
    async fn a_holder_waits_for_room() {
        let budget = MemoryBudget::new(100);
        let held = budget.try_reserve(60).unwrap();
        let part = budget.part(100);
        let waiting = tokio::spawn(async move { part.reserve(50).await.bytes() });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(held);
        assert_eq!(waiting.await.unwrap(), 50);
    }
}
