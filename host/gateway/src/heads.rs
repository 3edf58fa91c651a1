//! The heads of requests as the client sent them, parsed with hyper's parser from the bytes that hyper receives.
//!
//! API Gateway passes header names on unchanged, but hyper converts them to lower case, and it drops some headers
//! without a word. Each head is therefore parsed on its way to hyper. A request is served only if hyper has found the
//! same headers, so functions see the very headers that the gateway decides by.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::HeaderMap;
use http::header::{CONTENT_LENGTH, HOST, HeaderName, TRANSFER_ENCODING};
use tidegate_event::Fields;
use tidegate_local_access::is_host_field;

/// The maximum size of a request head, in bytes: the URL and twice API Gateway's 10,240 bytes of headers.
pub(crate) const MAX_HEAD_BYTES: usize = 32 << 10;
/// The maximum number of headers, which is hyper's.
const MAX_HEADERS: usize = 100;

/// The head of a request.
#[derive(Debug)]
pub(crate) struct Head {
    /// The headers in the order received.
    fields: Fields,
    /// True if a server must refuse the request (RFC 9112 sections 3.2 and 6.1).
    is_malformed: bool,
    /// True if the connection must be closed after the request, because the next head is not searched.
    pub(crate) is_last: bool,
}

/// The heads of one HTTP connection that hyper has not taken yet.
#[derive(Default)]
pub(crate) struct Heads(Mutex<Scanner>);

#[derive(Default)]
struct Scanner {
    position: Position,
    /// The beginning of an unfinished head.
    unfinished: Vec<u8>,
    heads: VecDeque<Head>,
}

/// The place of the next byte in a connection.
#[derive(Default, Clone, Copy)]
enum Position {
    #[default]
    Head,
    /// In a body with this number of bytes left.
    Body(u64),
    /// After the last head that can be found.
    End,
}

impl Heads {
    /// Takes the head of the next request.
    pub(crate) fn take(&self) -> Option<Head> {
        self.lock().heads.pop_front()
    }

    /// Reads bytes of the connection.
    pub(crate) fn record(&self, mut bytes: &[u8]) {
        let mut scanner = self.lock();
        while !bytes.is_empty() {
            bytes = scanner.read(bytes);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Scanner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Head {
    /// Returns true if the request is well-formed and hyper has parsed the same headers.
    pub(crate) fn describes(&self, headers: &HeaderMap) -> bool {
        let has = |name: &str, value: &str| {
            headers.get_all(name).iter().any(|found| String::from_utf8_lossy(found.as_bytes()) == value)
        };
        !self.is_malformed
            && self.fields.len() == headers.len()
            && self.fields.iter().all(|(name, value)| has(name, value))
    }

    pub(crate) fn into_fields(self) -> Fields {
        self.fields
    }

    /// Parses a complete head. Returns `None` if hyper refuses it.
    fn parse(bytes: &[u8]) -> Option<(Self, Position)> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        request.parse(bytes).ok().filter(httparse::Status::is_complete)?;
        let field = |header: &httparse::Header<'_>| {
            (header.name.to_owned(), String::from_utf8_lossy(header.value).into_owned())
        };
        let mut head =
            Self { fields: request.headers.iter().map(field).collect(), is_malformed: false, is_last: false };
        let next = head.next_position();
        head.is_malformed = !head.has_one_host() || next.is_none();
        let next = next.unwrap_or(Position::End);
        head.is_last = head.is_malformed || matches!(next, Position::End);
        Some((head, next))
    }

    /// Returns the position after the head. Returns `None` if the length of the body is ambiguous.
    fn next_position(&self) -> Option<Position> {
        let mut lengths = self.values(&CONTENT_LENGTH);
        let length = lengths.next();
        let is_chunked = self.values(&TRANSFER_ENCODING).next().is_some();
        match (length, lengths.next()) {
            (None, _) if is_chunked => Some(Position::End),
            (None, _) => Some(Position::Head),
            // `parse` accepts a sign.
            (Some(length), None) if !is_chunked && !length.starts_with('+') => match length.parse() {
                Ok(0) => Some(Position::Head),
                Ok(length) => Some(Position::Body(length)),
                Err(_) => None,
            },
            _ => None,
        }
    }

    fn has_one_host(&self) -> bool {
        let mut hosts = self.values(&HOST);
        hosts.next().is_some_and(is_host_field) && hosts.next().is_none()
    }

    fn values(&self, wanted: &HeaderName) -> impl Iterator<Item = &str> {
        let is_wanted = |name: &str| name.eq_ignore_ascii_case(wanted.as_str());
        self.fields.iter().filter(move |(name, _)| is_wanted(name)).map(|(_, value)| value.as_str())
    }
}

impl Scanner {
    /// Reads bytes up to the next position. Returns the bytes after it.
    fn read<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        match self.position {
            Position::Head => self.read_head(bytes),
            Position::Body(left) => {
                let length = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                let left = left - length as u64;
                self.position = if left == 0 { Position::Head } else { Position::Body(left) };
                bytes.get(length..).unwrap_or_default()
            }
            Position::End => &[],
        }
    }

    fn read_head<'b>(&mut self, mut bytes: &'b [u8]) -> &'b [u8] {
        if self.unfinished.is_empty() {
            // Empty lines before the request line are ignored (RFC 9112 section 2.2).
            let start = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n'));
            bytes = start.and_then(|start| bytes.get(start..)).unwrap_or_default();
        }
        // The mark of the end may have begun in earlier bytes.
        let from = self.unfinished.len().saturating_sub(2);
        self.unfinished.extend_from_slice(bytes);
        let Some(end) = self.unfinished.get(from..).and_then(end_of_head).map(|end| from + end) else {
            if self.unfinished.len() > MAX_HEAD_BYTES {
                self.finish();
            }
            return &[];
        };
        let rest = self.unfinished.len() - end;
        match self.unfinished.get(..end).and_then(Head::parse) {
            Some((head, next)) => {
                self.heads.push_back(head);
                self.position = next;
                self.unfinished = Vec::new();
            }
            None => self.finish(),
        }
        bytes.get(bytes.len() - rest..).unwrap_or_default()
    }

    fn finish(&mut self) {
        self.position = Position::End;
        self.unfinished = Vec::new();
    }
}

/// Returns the position after the empty line that ends a head. Lines end with CRLF or LF, as for hyper.
fn end_of_head(bytes: &[u8]) -> Option<usize> {
    let mut ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    ends.find_map(|end| match bytes.get(end..) {
        Some([b'\n', ..]) => Some(end + 1),
        Some([b'\r', b'\n', ..]) => Some(end + 2),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heads(parts: &[&str]) -> Vec<Head> {
        let heads = Heads::default();
        parts.iter().for_each(|part| heads.record(part.as_bytes()));
        std::iter::from_fn(|| heads.take()).collect()
    }

    fn names(head: &Head) -> Vec<&str> {
        head.fields.iter().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn heads_are_found_wherever_their_bytes_are_split() {
        let stream = "\r\n\n\r\nGET /a HTTP/1.1\r\nHost: localhost\r\nX-One:  1 \r\n\r\n\r\n\
            POST /b HTTP/1.1\nhOST: [::1]:1\nContent-Length: 9\n\n\r\n\r\nGET /\
            GET /c HTTP/1.1\r\nHost: c.localhost\r\nX-Three: 3\r\n\r\n";
        for at in 0..stream.len() {
            for then in [at, (at + 7).min(stream.len())] {
                let found = heads(&[&stream[..at], &stream[at..then], &stream[then..]]);
                let found: Vec<_> = found.iter().map(names).collect();
                assert_eq!(found, [&["Host", "X-One"][..], &["hOST", "Content-Length"], &["Host", "X-Three"]], "{at}");
            }
        }
        let bytes: Vec<&str> = stream.split_inclusive(|_: char| true).collect();
        assert_eq!(heads(&bytes).len(), 3);
        assert_eq!(heads(&[stream])[0].fields[1].1, "1");
    }

    #[test]
    fn ambiguous_requests_are_malformed_and_the_last_of_their_connection() {
        for lines in [
            "",
            "Host: a\r\nHost: a",
            "Host: a\r\nhost: b",
            "Host:",
            "Host: a b",
            "Host: user@localhost",
            "Host: [::1",
            "Host: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked",
            "Host: a\r\nTransfer-Encoding: chunked\r\ncontent-length: 3",
            "Host: a\r\nContent-Length: 3\r\nContent-Length: 3",
            "Host: a\r\nContent-Length: 3, 3",
            "Host: a\r\nContent-Length: -3",
            "Host: a\r\nContent-Length: +3",
            "Host: a\r\nContent-Length:",
        ] {
            let request = format!("POST / HTTP/1.1\r\n{lines}\r\n\r\nabc");
            // An empty list of headers ends with the request line.
            let request = request.replace("\r\n\r\n\r\n", "\r\n\r\n");
            let found = heads(&[&request]);
            assert!(found[0].is_malformed && found[0].is_last, "{lines}");
        }
        let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
        let found = heads(&[chunked, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"]);
        assert!(found.len() == 1 && !found[0].is_malformed && found[0].is_last);
    }

    #[test]
    fn hyper_must_have_the_same_headers() {
        let head = &heads(&["GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nx-a: 2\r\n\r\n"])[0];
        let map = |fields: &[(&'static str, &'static str)]| -> HeaderMap {
            fields.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
        };
        assert!(head.describes(&map(&[("x-a", "1"), ("host", "a"), ("x-a", "2")])));
        for other in
            [&[][..], &[("host", "a"), ("x-a", "1")], &[("host", "a"), ("x-a", "1"), ("x-a", "1"), ("x-b", "2")]]
        {
            assert!(!head.describes(&map(other)));
        }
    }

    #[test]
    fn unfinished_and_invalid_heads_are_bounded() {
        let heads = Heads::default();
        for _ in 0..64 {
            heads.record(&[b'a'; 4 << 10]);
        }
        assert_eq!(heads.lock().unfinished.capacity(), 0);
        let heads = Heads::default();
        heads.record(b"GET / HTTP/1.1\r\n folded: 1\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(heads.take().is_none());
    }
}
