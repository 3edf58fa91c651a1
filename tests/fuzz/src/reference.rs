//! Frames and percent-encoding by their specifications, written without the code under test.

/// The opcodes of RFC 6455, section 11.8.
pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const TEXT: u8 = 1;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;
/// The bit of the last frame of a message.
pub(crate) const FINAL: u8 = 0x80;
const MASKED: u8 = 0x80;

/// A frame as it is sent (RFC 6455, section 5.2).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// The first byte: the opcode, the reserved bits and [`FINAL`].
    pub(crate) first: u8,
    pub(crate) mask: Option<[u8; 4]>,
    pub(crate) payload: Vec<u8>,
}

/// The end of a client's frames.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// A close frame with this code and this reason.
    Closed(u16, String),
    /// Anything else: a frame that is not allowed, or no more bytes.
    Other,
}

impl Frame {
    /// Reads the frame at the start of the bytes. Returns it with the number of its bytes.
    pub(crate) fn read(bytes: &[u8]) -> Option<(Self, usize)> {
        let (first, second) = (*bytes.first()?, *bytes.get(1)?);
        let (length, mut at) = match second & 0x7f {
            126 => (u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)), 4),
            127 => (u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?), 10),
            short => (u64::from(short), 2),
        };
        let mut mask = None;
        if second & MASKED != 0 {
            mask = Some(bytes.get(at..at + 4)?.try_into().ok()?);
            at += 4;
        }
        let end = at.checked_add(usize::try_from(length).ok()?)?;
        let payload = masked(bytes.get(at..end)?, mask);
        Some((Self { first, mask, payload }, end))
    }

    /// Writes the frame.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let masked_bit = if self.mask.is_some() { MASKED } else { 0 };
        out.push(self.first);
        match u16::try_from(self.payload.len()).expect("frames of this tool are short") {
            length @ 0..126 => out.push(masked_bit | u8::try_from(length).unwrap()),
            length => {
                out.push(masked_bit | 126);
                out.extend(length.to_be_bytes());
            }
        }
        out.extend(self.mask.into_iter().flatten());
        out.extend(masked(&self.payload, self.mask));
    }

    pub(crate) fn opcode(&self) -> u8 {
        self.first & 0x0f
    }

    pub(crate) fn is_final(&self) -> bool {
        self.first & FINAL != 0
    }

    /// Returns true if RFC 6455 allows the frame from a client.
    fn is_allowed(&self) -> bool {
        let is_control = self.opcode() & 8 != 0;
        let is_known = matches!(self.opcode(), CONTINUATION..=2 | CLOSE..=PONG);
        let is_short = self.is_final() && self.payload.len() <= 125;
        self.first & 0x70 == 0 && self.mask.is_some() && is_known && (!is_control || is_short)
    }
}

fn masked(payload: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
    let mask = mask.unwrap_or_default();
    payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect()
}

/// Returns the frames at the start of the bytes.
pub(crate) fn frames(mut bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let Some((frame, length)) = Frame::read(bytes) {
        frames.push(frame);
        bytes = &bytes[length..];
    }
    frames
}

/// Returns the text messages of a client up to its end, as RFC 6455 defines them. A binary message is an end too.
pub(crate) fn messages(bytes: &[u8]) -> (Vec<String>, End) {
    let mut messages = Vec::new();
    let mut begun: Option<Vec<u8>> = None;
    for frame in frames(bytes) {
        match (frame.opcode(), begun.is_some()) {
            _ if !frame.is_allowed() => return (messages, End::Other),
            (PING | PONG, _) => continue,
            (CLOSE, _) => return (messages, end(&frame.payload)),
            (TEXT, false) => begun = Some(frame.payload.clone()),
            (CONTINUATION, true) => begun.as_mut().unwrap().extend(&frame.payload),
            _ => return (messages, End::Other),
        }
        if frame.is_final() {
            match String::from_utf8(begun.take().unwrap()) {
                Ok(text) => messages.push(text),
                Err(_) => return (messages, End::Other),
            }
        }
    }
    (messages, End::Other)
}

/// Reads the payload of a close frame. Only codes that a client may send are an end with a code.
fn end(payload: &[u8]) -> End {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else { return End::Other };
    match (u16::from_be_bytes(*code), std::str::from_utf8(reason)) {
        (code @ (1000..=1003 | 1007..=1011 | 3000..=4999), Ok(reason)) => End::Closed(code, reason.to_owned()),
        _ => End::Other,
    }
}

/// Decodes `%` with two hexadecimal digits. Other text stays.
pub(crate) fn percent_decoded(text: &str) -> Vec<u8> {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let bytes = text.as_bytes();
    let mut decoded = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], digit(bytes.get(at + 1)), digit(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(u8::try_from(high * 16 + low).unwrap());
                at += 3;
            }
            (byte, ..) => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    decoded
}
