//! Connection, request and message ids.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;

/// The bytes of an id: 16 characters of base64, of which the last is `=`, as API Gateway's are. Clients and back ends thus
/// meet, on one machine too, ids that must be encoded in a URL.
const ID_BYTES: usize = 11;

/// The characters of an id.
const ID_CHARACTERS: usize = 16;

/// An id, on the stack: a message takes two, and copies one.
#[derive(Clone, Copy)]
pub(crate) struct Id([u8; ID_CHARACTERS]);

impl Id {
    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        // Base64 is ASCII, so this cannot fail.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Makes ids: 88 bits of a keyed hash of a counter. The keys are the operating system's randomness, drawn once.
#[derive(Default)]
pub(crate) struct Ids {
    high: RandomState,
    low: RandomState,
    next: AtomicU64,
}

impl Ids {
    /// An id that was not given before.
    pub(crate) fn next(&self) -> Id {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let high = u128::from(self.high.hash_one(number));
        let low = u128::from(self.low.hash_one(number));
        let bytes = ((high << 64) | low).to_be_bytes();
        let mut id = [0; ID_CHARACTERS];
        // Eleven bytes are 16 characters, so this cannot fail.
        let _ = URL_SAFE.encode_slice(bytes.first_chunk::<ID_BYTES>().copied().unwrap_or_default(), &mut id);
        Id(id)
    }

    /// 96 bits in hexadecimal, for the trace header that API Gateway adds.
    pub(crate) fn trace(&self) -> String {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        format!("{:016x}{:08x}", self.high.hash_one(number), self.low.hash_one(number) & 0xffff_ffff)
    }
}

/// Whether a text has the form of a connection id.
pub(crate) fn is_connection_id(text: &str) -> bool {
    text.ends_with('=') && URL_SAFE.decode(text).is_ok_and(|bytes| bytes.len() == ID_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_api_gateways_form_and_do_not_repeat() {
        let ids = Ids::default();
        let made: std::collections::HashSet<String> = (0..10_000).map(|_| ids.next().as_str().to_owned()).collect();
        assert_eq!(made.len(), 10_000);
        assert!(made.iter().all(|id| id.len() == 16 && id.ends_with('=') && is_connection_id(id)));
    }
}
