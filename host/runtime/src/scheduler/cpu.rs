//! The CPU time that a thread spends on a guest.

use std::cell::Cell;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// A shorter lap is measured with the wall clock alone. Reading the CPU clock is a system call, and costs more than a
/// hundredth of a short event.
const SHORT: Duration = Duration::from_micros(250);
/// The maximum age of a thread's last reading of its CPU clock at the beginning of a poll.
const FRESH: Duration = Duration::from_micros(250);

/// The guest has used the CPU time of its route's limit.
#[derive(Debug, thiserror::Error)]
#[error("the limit of {} ms of CPU time is exhausted", .0.as_millis())]
pub(crate) struct CpuLimit(pub(crate) Duration);

/// A reading of a thread's clocks.
#[derive(Clone, Copy)]
struct Reading {
    at: Instant,
    cpu: Duration,
}

thread_local! {
    /// The last reading of the CPU clock.
    static LAST: Cell<Option<Reading>> = const { Cell::new(None) };
    /// The beginning of the current lap.
    static LAP: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Begins to measure a poll on this thread.
pub(super) fn begin() {
    let now = Instant::now();
    if LAST.get().is_none_or(|last| now.duration_since(last.at) > FRESH) {
        LAST.set(Some(Reading { at: now, cpu: thread_cpu() }));
    }
    LAP.set(Some(now));
}

/// Returns the CPU time since the last lap of this poll, and begins the next lap.
///
/// The thread is taken to have worked between its last reading and the beginning of the lap, which are at most 250 µs
/// apart. So a thread that was descheduled is not overcharged, and a guest is undercharged by that time at most.
pub(super) fn lap() -> Duration {
    let now = Instant::now();
    let start = LAP.replace(Some(now)).unwrap_or(now);
    let wall = now.duration_since(start);
    if wall < SHORT {
        return wall;
    }
    let cpu = thread_cpu();
    let Some(last) = LAST.replace(Some(Reading { at: now, cpu })) else { return wall };
    wall.min(cpu.saturating_sub(last.cpu).saturating_sub(start.saturating_duration_since(last.at)))
}

fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or_default(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_sleeps_is_charged_less_than_it_waited() {
        begin();
        std::thread::sleep(Duration::from_millis(50));
        assert!(lap() < Duration::from_millis(25));
    }

    #[test]
    fn a_thread_that_works_is_charged_for_each_lap_once() {
        begin();
        let start = thread_cpu();
        while thread_cpu() - start < Duration::from_millis(5) {}
        let first = lap();
        let second = lap();
        assert!(first >= Duration::from_millis(4), "{first:?}");
        assert!(second < Duration::from_millis(4), "{second:?}");
    }
}
