//! Request ids and trace ids.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// A generator of ids for one process's events. Each request id contains the number of its event.
#[derive(Debug)]
pub(crate) struct Ids {
    /// The prefix of every request id, up to the last group.
    prefix: String,
    random: u64,
    numbers: AtomicU64,
}

/// The number of hexadecimal digits in the last group of a request id. The group has 48 bits.
const DIGITS: usize = 12;

impl Ids {
    pub(crate) fn new() -> io::Result<Self> {
        let random = random()?;
        let [a, b, c, d, e, f, g, h] = random.to_be_bytes();
        // The ids have the form of a random UUID, version 4.
        let prefix = format!(
            "{a:02x}{b:02x}{c:02x}{d:02x}-{e:02x}{f:02x}-4{:03x}-8{:03x}-",
            u16::from(g) << 4,
            u16::from(h) << 4
        );
        Ok(Self { prefix, random, numbers: AtomicU64::new(1) })
    }

    /// Returns the number of the next event.
    pub(crate) fn next(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// Returns the request id of an event.
    pub(crate) fn request_id(&self, number: u64) -> String {
        format!("{}{number:0DIGITS$x}", self.prefix)
    }

    /// Returns the number of the event with this request id, or `None` if the id does not belong to this process.
    pub(crate) fn number(&self, request_id: &str) -> Option<u64> {
        let digits = request_id.strip_prefix(&self.prefix).filter(|digits| digits.len() == DIGITS)?;
        u64::from_str_radix(digits, 16).ok()
    }

    /// Returns the trace header of an event, marked as sampled.
    ///
    /// <https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader>
    pub(crate) fn trace_id(&self, number: u64) -> String {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let random = self.random;
        let parent = random.wrapping_add(number);
        format!("Root=1-{seconds:08x}-{random:016x}{number:08x};Parent={parent:016x};Sampled=1")
    }
}

fn random() -> io::Result<u64> {
    getrandom::u64().map_err(|error| io::Error::other(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_contain_the_number_of_their_event() {
        let ids = Ids::new().unwrap();
        let others = Ids::new().unwrap();
        let id = ids.request_id(0xABC);
        assert_eq!((id.len(), ids.number(&id)), (36, Some(0xABC)));
        for wrong in ["", "no-id", &id[..35], &others.request_id(0xABC)] {
            assert_eq!(ids.number(wrong), None, "{wrong}");
        }
    }
}
