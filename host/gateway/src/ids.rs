//! Connection, request and message ids.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;

/// The number of bytes in an id. In base64, an id has 16 characters and ends with `=`, like API Gateway's ids. Clients
/// and back ends therefore also meet ids that need URL encoding when everything runs on one machine.
const ID_BYTES: usize = 11;

/// The number of base64 characters in an id.
const ID_CHARACTERS: usize = 16;

/// An id. It is stored on the stack, because each message takes two ids and copies one.
#[derive(Clone, Copy)]
pub(crate) struct Id([u8; ID_CHARACTERS]);

impl Id {
    pub(crate) fn as_str(&self) -> &str {
        // Base64 is ASCII, so this cannot fail.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// A generator of ids: 88 bits of a keyed hash of a counter. The keys are random numbers from the operating system.
#[derive(Default)]
pub(crate) struct Ids {
    high: RandomState,
    low: RandomState,
    next: AtomicU64,
}

impl Ids {
    /// Returns a new id.
    pub(crate) fn next(&self) -> Id {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let high = u128::from(self.high.hash_one(number));
        let low = u128::from(self.low.hash_one(number));
        let bytes = ((high << 64) | low).to_be_bytes();
        let mut id = [0; ID_CHARACTERS];
        // Eleven bytes encode to 16 characters, so this cannot fail.
        let _ = URL_SAFE.encode_slice(bytes.first_chunk::<ID_BYTES>().copied().unwrap_or_default(), &mut id);
        Id(id)
    }

    /// Returns 96 bits in hexadecimal, for the trace header that API Gateway adds.
    pub(crate) fn trace(&self) -> String {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        format!("{:016x}{:08x}", self.high.hash_one(number), self.low.hash_one(number) & 0xffff_ffff)
    }
}

/// Returns true if a text has the form of a connection id.
pub(crate) fn is_connection_id(text: &str) -> bool {
    text.ends_with('=') && URL_SAFE.decode(text).is_ok_and(|bytes| bytes.len() == ID_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_have_the_form_of_api_gateways() {
        let ids = Ids::default();
        let created: std::collections::HashSet<String> = (0..10_000).map(|_| ids.next().as_str().to_owned()).collect();
        assert_eq!(created.len(), 10_000);
        assert!(created.iter().all(|id| id.len() == 16 && id.ends_with('=') && is_connection_id(id)));
    }
}
