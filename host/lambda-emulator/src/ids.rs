//! Request ids and trace ids.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Makes the ids of one process's events: random ones, with a number that finds the event again.
#[derive(Debug)]
pub(crate) struct Ids {
    /// What every request id begins with, up to its last group.
    prefix: String,
    random: u64,
    numbers: AtomicU64,
}

/// The hexadecimal digits of the last group, 48 bits.
const DIGITS: usize = 12;

impl Ids {
    pub(crate) fn new() -> io::Result<Self> {
        let random = random()?;
        let [a, b, c, d, e, f, g, h] = random.to_be_bytes();
        // The form of a random UUID, version 4.
        let prefix = format!(
            "{a:02x}{b:02x}{c:02x}{d:02x}-{e:02x}{f:02x}-4{:03x}-8{:03x}-",
            u16::from(g) << 4,
            u16::from(h) << 4
        );
        Ok(Self { prefix, random, numbers: AtomicU64::new(1) })
    }

    /// The number of the next event.
    pub(crate) fn next(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// The request id of an event.
    pub(crate) fn request_id(&self, number: u64) -> String {
        format!("{}{number:0DIGITS$x}", self.prefix)
    }

    /// The event of a request id; none when it is no id of this process.
    pub(crate) fn number(&self, request_id: &str) -> Option<u64> {
        let digits = request_id.strip_prefix(&self.prefix).filter(|digits| digits.len() == DIGITS)?;
        u64::from_str_radix(digits, 16).ok()
    }

    /// The trace of an event, sampled, as X-Ray's header has it.
    ///
    /// <https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader>
    pub(crate) fn trace_id(&self, number: u64) -> String {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let random = self.random;
        let parent = random.wrapping_add(number);
        format!("Root=1-{seconds:08x}-{random:016x}{number:08x};Parent={parent:016x};Sampled=1")
    }
}

/// The access key of one run, which nobody can guess: `AKIA` and 16 more characters, as IAM's are.
///
/// # Errors
/// When the system has no random numbers.
pub fn access_key_id() -> io::Result<String> {
    Ok(format!("AKIA{:016X}", random()?))
}

fn random() -> io::Result<u64> {
    getrandom::u64().map_err(|error| io::Error::other(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_finds_its_event_again() {
        let (ids, others) = (Ids::new().unwrap(), Ids::new().unwrap());
        let id = ids.request_id(0xABC);
        assert_eq!((id.len(), ids.number(&id)), (36, Some(0xABC)));
        for wrong in ["", "no-id", &id[..35], &others.request_id(0xABC)] {
            assert_eq!(ids.number(wrong), None, "{wrong}");
        }
    }
}
