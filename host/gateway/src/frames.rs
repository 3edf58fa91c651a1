//! Frame headers that RFC 6455 forbids.
//!
//! tungstenite checks the length of a frame against the limit before it checks the rest of the header, so a control
//! frame above the limit looks like a message that is too large. The scanner distinguishes the two: the control frame
//! is a protocol error (1002), and the large message is closed with 1009.
//!
//! <https://www.rfc-editor.org/rfc/rfc6455#section-5>

/// The maximum length of a header, in bytes: 2, an extended length of 8, and a mask of 4.
const MAX_HEADER_BYTES: usize = 14;

const FINAL: u8 = 0x80;
const RESERVED: u8 = 0x70;
const CONTROL: u8 = 0x08;
const MASKED: u8 = 0x80;
const LENGTH: u8 = 0x7f;

/// Tracks the frame boundaries in a client's bytes.
#[derive(Default)]
pub(crate) struct FrameScanner {
    header: [u8; MAX_HEADER_BYTES],
    /// The number of header bytes that have arrived.
    filled: usize,
    /// The number of payload bytes that have not arrived.
    payload: u64,
    forbidden: bool,
    /// The number of bytes of the message that is not complete. Control frames do not count.
    unfinished: usize,
}

impl FrameScanner {
    /// Scans bytes that directly follow the previously scanned bytes.
    pub(crate) fn scan(&mut self, mut bytes: &[u8]) {
        while !self.forbidden {
            let payload = usize::try_from(self.payload).unwrap_or(usize::MAX).min(bytes.len());
            self.payload -= payload as u64;
            if payload > 0 {
                self.count(payload);
            }
            bytes = bytes.get(payload..).unwrap_or_default();
            let Some((&byte, rest)) = bytes.split_first() else { return };
            bytes = rest;
            if let Some(place) = self.header.get_mut(self.filled) {
                *place = byte;
            }
            self.filled += 1;
            if self.filled >= 2 {
                self.finish_header();
            }
        }
    }

    /// Returns true if a scanned header is forbidden by the RFC regardless of the limits.
    pub(crate) fn has_forbidden_header(&self) -> bool {
        self.forbidden
    }

    /// Returns the number of bytes of the message that is not complete.
    pub(crate) fn unfinished(&self) -> usize {
        self.unfinished
    }

    /// Counts bytes of a payload. The header of its frame is still in place.
    fn count(&mut self, bytes: usize) {
        let first = self.header[0];
        if first & CONTROL != 0 {
            return;
        }
        self.unfinished = self.unfinished.saturating_add(bytes);
        if self.payload == 0 && first & FINAL != 0 {
            self.unfinished = 0;
        }
    }

    /// Begins the payload if the header is complete.
    fn finish_header(&mut self) {
        let [first, second, extended @ ..] = self.header;
        let is_control = first & CONTROL != 0;
        let length = second & LENGTH;
        self.forbidden =
            first & RESERVED != 0 || second & MASKED == 0 || (is_control && (first & FINAL == 0 || length > 125));
        let extended_bytes = match length {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        if self.filled < 2 + extended_bytes + 4 {
            return;
        }
        let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        self.payload = match extended_bytes {
            0 => u64::from(length),
            count => number(extended.get(..count).unwrap_or_default()),
        };
        // The first bit of a 64-bit length must be 0.
        self.forbidden |= self.payload > u64::MAX >> 1;
        self.filled = 0;
        if self.payload == 0 {
            self.count(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_forbidden(bytes: &[u8]) -> bool {
        let mut whole = FrameScanner::default();
        whole.scan(bytes);
        let mut bytewise = FrameScanner::default();
        for byte in bytes {
            bytewise.scan(&[*byte]);
        }
        assert_eq!(whole.has_forbidden_header(), bytewise.has_forbidden_header());
        whole.has_forbidden_header()
    }

    /// A frame with a zero mask.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![first];
        match payload.len() {
            length @ 0..126 => bytes.push(MASKED | u8::try_from(length).unwrap()),
            length @ 126..65_536 => {
                bytes.push(MASKED | 126);
                bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            length => {
                bytes.push(MASKED | 127);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        bytes.extend([0; 4]);
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn allowed_frames_of_every_length_are_skipped() {
        let mut bytes = Vec::new();
        for length in [0, 1, 125, 126, 127, 65_535, 65_536] {
            // The payloads contain bytes that would be a forbidden header.
            bytes.extend(frame(0x01, &vec![0xff; length]));
        }
        bytes.extend(frame(0x80, b"end"));
        bytes.extend(frame(0x89, &[0xff; 125]));
        bytes.extend(frame(0x88, b""));
        assert!(!is_forbidden(&bytes));
    }

    #[test]
    fn bytes_of_an_unfinished_message_are_counted() {
        let mut scanner = FrameScanner::default();
        let mut unfinished = |bytes: &[u8]| {
            scanner.scan(bytes);
            scanner.unfinished()
        };
        let whole = frame(0x81, &[b'x'; 300]);
        assert_eq!(unfinished(&whole), 0);
        assert_eq!(unfinished(&whole[..108]), 100);
        assert_eq!(unfinished(&whole[108..]), 0);
        assert_eq!(unfinished(&frame(0x01, &[b'x'; 300])), 300);
        assert_eq!(unfinished(&frame(0x89, &[b'p'; 100])), 300, "a ping is not a part of the message");
        assert_eq!(unfinished(&frame(0x00, &[b'x'; 200])), 500);
        assert_eq!(unfinished(&frame(0x80, b"")[..1]), 500);
        assert_eq!(unfinished(&frame(0x80, b"")[1..]), 0);
    }

    #[test]
    fn forbidden_headers_are_found_behind_other_frames() {
        let unmasked = vec![0x81, 0x01, b'x'];
        let negative = [&[0x82, MASKED | 127][..], &[0xff; 8], &[0; 4]].concat();
        for forbidden in [
            frame(0x89, &[0; 126]),
            frame(0x88, &[0; 40_000]),
            frame(0x09, b""),
            frame(0xc1, b"x"),
            frame(0xa1, b"x"),
            frame(0x91, b"x"),
            unmasked,
            negative,
        ] {
            assert!(is_forbidden(&forbidden), "{forbidden:02x?}");
            assert!(is_forbidden(&[frame(0x81, &[b'x'; 300]), forbidden].concat()));
        }
    }
}
