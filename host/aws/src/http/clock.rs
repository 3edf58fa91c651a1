//! The clock of AWS, by which requests are signed.
//!
//! A signature is valid for five minutes, or 15 for S3. The clock of a developer's machine may be further off, for
//! example after a suspend. Each answer has the time of AWS, so the requests after a refused one have the right time.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use aws_smithy_async::time::TimeSource;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;

/// The difference that is not corrected: less than AWS allows, and more than an answer takes.
const TOLERATED: Duration = Duration::from_secs(4 * 60);

/// The seconds by which the clock of AWS is ahead of the clock of this machine. All services have the same time.
static AHEAD: AtomicI64 = AtomicI64::new(0);

/// The clock of AWS, for the SDK's clients.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ServiceClock;

impl TimeSource for ServiceClock {
    fn now(&self) -> SystemTime {
        now()
    }
}

/// Returns the time of AWS.
pub(crate) fn now() -> SystemTime {
    shifted(SystemTime::now(), AHEAD.load(Ordering::Relaxed))
}

/// Compares the clocks. `date` is the header `Date` of an answer.
#[cfg(feature = "https")]
pub(crate) fn learn(date: &str) {
    if let Ok(time) = DateTime::from_str(date, Format::HttpDate) {
        AHEAD.store(difference(time, SystemTime::now()), Ordering::Relaxed);
    }
}

/// Returns true if AWS refused a request because of the time of its signature.
pub(crate) fn is_skewed(code: &str, message: &str) -> bool {
    matches!(code, "RequestTimeTooSkewed" | "RequestExpired")
        || message.starts_with("Signature expired")
        || message.starts_with("Signature not yet current")
}

/// Returns the seconds by which `theirs` is ahead of `ours`. Returns 0 for a small difference.
fn difference(theirs: DateTime, ours: SystemTime) -> i64 {
    let seconds = theirs.secs().saturating_sub(DateTime::from(ours).secs());
    if seconds.unsigned_abs() <= TOLERATED.as_secs() { 0 } else { seconds }
}

fn shifted(time: SystemTime, seconds: i64) -> SystemTime {
    let by = Duration::from_secs(seconds.unsigned_abs());
    let shifted = if seconds < 0 { time.checked_sub(by) } else { time.checked_add(by) };
    shifted.unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_of_aws_corrects_a_clock_that_is_hours_off() {
        let theirs = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        for hours in [-26, -1, 1, 26] {
            let ours = shifted(theirs, hours * 3_600);
            let ahead = difference(theirs.into(), ours);
            assert_eq!(ahead, -hours * 3_600);
            assert_eq!(shifted(ours, ahead), theirs);
        }
        for seconds in [-240, -1, 0, 1, 240] {
            assert_eq!(difference(theirs.into(), shifted(theirs, seconds)), 0);
        }
    }

    #[test]
    fn the_refusals_of_a_wrong_time_are_known() {
        assert!(is_skewed("RequestTimeTooSkewed", "The difference between the request time and the current time"));
        assert!(is_skewed("InvalidSignatureException", "Signature expired: 20270115T080000Z is now earlier than"));
        assert!(is_skewed("InvalidSignatureException", "Signature not yet current: 20270115T080000Z is still later"));
        assert!(!is_skewed("InvalidSignatureException", "The request signature we calculated does not match"));
    }
}
