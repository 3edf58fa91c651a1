//! The header names of a request as the client sent them.
//!
//! API Gateway passes header names on unchanged, but hyper converts them to lower case. The bytes of a socket's first
//! request head are therefore recorded on their way to hyper, and parsed again for the names.

use std::sync::{Mutex, MutexGuard, PoisonError};

use http::HeaderMap;
use tidegate_event::Fields;

/// The maximum size of a request head, in bytes: the URL and twice API Gateway's 10,240 bytes of headers.
pub(crate) const MAX_HEAD_BYTES: usize = 32 << 10;
const END: &[u8] = b"\r\n\r\n";

/// The bytes of the first request head of a socket.
#[derive(Default)]
pub(crate) struct RawHeaders(Mutex<Vec<u8>>);

impl RawHeaders {
    /// Takes the headers of the first request, in the order received. Returns `None` for later requests.
    pub(crate) fn take(&self) -> Option<Fields> {
        let head = std::mem::take(&mut *self.bytes());
        let end = head.windows(END.len()).position(|window| window == END)?;
        let text = String::from_utf8_lossy(head.get(..end)?).into_owned();
        let field = |line: &str| line.split_once(':').map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
        Some(text.split("\r\n").skip(1).filter_map(field).collect())
    }

    /// Records bytes of the head. Returns true if the head is complete or too large.
    pub(crate) fn record(&self, new: &[u8]) -> bool {
        let mut head = self.bytes();
        let from = head.len().saturating_sub(END.len() - 1);
        head.extend_from_slice(new);
        head.len() > MAX_HEAD_BYTES
            || head.get(from..).is_some_and(|tail| tail.windows(END.len()).any(|window| window == END))
    }

    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the headers as hyper has them, for a request that is not the first one of its socket.
pub(crate) fn fields_of(headers: &HeaderMap) -> Fields {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}
