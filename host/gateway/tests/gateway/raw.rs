//! A client that writes its bytes by hand, so that they may break RFC 6455, and that notices a reset.

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::harness::{Harness, soon};

/// First bytes of frames: the final bit and the opcode.
pub(crate) const TEXT: u8 = 0x81;
pub(crate) const BINARY: u8 = 0x82;
pub(crate) const CLOSE: u8 = 0x88;
pub(crate) const PING: u8 = 0x89;
pub(crate) const PONG: u8 = 0x8a;

/// A frame as a client sends it. Its mask is zero, so the payload stays as it is.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASKED: u8 = 0x80;
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

/// A close frame with a code and a reason.
pub(crate) fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(CLOSE, &[&code.to_be_bytes()[..], reason].concat())
}

/// An open socket.
pub(crate) struct RawClient(TcpStream);

impl RawClient {
    /// Connects, which needs a `$connect` route, and takes its event.
    pub(crate) async fn connect(gateway: &Harness) -> Self {
        let mut stream = gateway.tcp().await;
        let request = "GET /dev HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(soon(stream.read_u8()).await.unwrap());
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
        assert_eq!(gateway.event().await["requestContext"]["eventType"], "CONNECT");
        Self(stream)
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        soon(self.0.write_all(bytes)).await.unwrap();
    }

    /// Reads until the gateway has written `tail`, and returns the number of bytes that came before it.
    pub(crate) async fn read_until(&mut self, tail: &[u8]) -> usize {
        let mut bytes = Vec::new();
        while !bytes.ends_with(tail) {
            assert_ne!(soon(self.0.read_buf(&mut bytes)).await.unwrap(), 0, "the gateway closed the socket");
        }
        bytes.len() - tail.len()
    }

    /// Reads frames, each with its first byte and its payload, to the close frame inclusive. No frame has more than
    /// 65,535 bytes.
    pub(crate) async fn frames_until_close(&mut self) -> Vec<(u8, Vec<u8>)> {
        let mut frames: Vec<(u8, Vec<u8>)> = Vec::new();
        let mut stream = BufReader::new(&mut self.0);
        while frames.last().is_none_or(|(first, _)| *first != CLOSE) {
            let first = soon(stream.read_u8()).await.unwrap();
            let length = match soon(stream.read_u8()).await.unwrap() {
                126 => usize::from(soon(stream.read_u16()).await.unwrap()),
                length => usize::from(length),
            };
            let mut payload = vec![0; length];
            soon(stream.read_exact(&mut payload)).await.unwrap();
            frames.push((first, payload));
        }
        frames
    }

    /// Reads until the gateway closes the socket, and returns the code of the close frame, which is the last frame.
    /// A close frame without a code is 1005. Fails if the socket is reset.
    pub(crate) async fn close_code(&mut self) -> u16 {
        let mut bytes = Vec::new();
        soon(self.0.read_to_end(&mut bytes)).await.expect("the gateway closes the socket without a reset");
        let mut rest = bytes.as_slice();
        while let [first, length @ 0..126, after @ ..] = rest {
            let (payload, behind) = after.split_at(usize::from(*length));
            if *first == CLOSE {
                assert!(behind.is_empty(), "a frame follows the close frame");
                return payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code));
            }
            rest = behind;
        }
        panic!("no close frame in {bytes:02x?}");
    }
}
