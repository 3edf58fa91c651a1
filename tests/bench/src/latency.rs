//! Latencies and their percentiles.

use std::time::Duration;

/// Latencies in nanoseconds, each capped at four seconds.
#[derive(Default)]
pub struct Latencies(Vec<u32>);

impl Latencies {
    /// Adds a latency.
    pub fn record(&mut self, latency: Duration) {
        self.0.push(u32::try_from(latency.as_nanos()).unwrap_or(u32::MAX));
    }

    /// Adds the latencies of another connection.
    pub fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Returns the number of latencies.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Returns the given percentiles (0 to 100) in microseconds. Returns zeros if there are no latencies.
    pub fn percentiles<const N: usize>(mut self, wanted: [f64; N]) -> [f64; N] {
        self.0.sort_unstable();
        wanted.map(|percent| {
            let last = self.0.len().saturating_sub(1);
            // The nearest rank. An `f64` represents numbers of this size exactly.
            let rank = (last as f64 * percent / 100.0).round() as usize;
            self.0.get(rank).map_or(0.0, |&nanos| f64::from(nanos) / 1000.0)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_the_nearest_rank_in_microseconds() {
        let mut latencies = Latencies::default();
        for micros in (1..=101).rev() {
            latencies.record(Duration::from_micros(micros));
        }
        assert_eq!(latencies.percentiles([0.0, 50.0, 99.0, 100.0]), [1.0, 51.0, 100.0, 101.0]);
    }

    #[test]
    fn percentiles_of_nothing_are_zero() {
        assert_eq!(Latencies::default().percentiles([50.0]), [0.0]);
    }
}
