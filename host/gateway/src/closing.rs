//! Close codes and reasons.

use std::borrow::Cow;

use tidegate_event::Closing;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// The code and the reason of a close, used in the close frame and in the `$disconnect` event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Close {
    pub(crate) code: u16,
    pub(crate) reason: Cow<'static, str>,
}

impl Close {
    /// A DELETE request to `@connections`. The text is API Gateway's (observed).
    pub(crate) const DELETED: Self = Self::fixed(1000, "Connection Closed Normally");
    /// The idle timeout (code unconfirmed).
    pub(crate) const IDLE: Self = Self::fixed(1001, "Going away");
    /// The end of the connection's lifetime (code unconfirmed).
    pub(crate) const LIFETIME: Self = Self::fixed(1001, "Going away");
    /// The shutdown of the gateway.
    pub(crate) const SHUTDOWN: Self = Self::fixed(1001, "Going away");
    /// The client violated RFC 6455.
    pub(crate) const PROTOCOL: Self = Self::fixed(1002, "Protocol error");
    /// The client sent a binary frame.
    pub(crate) const BINARY: Self = Self::fixed(1003, "Binary data is not accepted");
    /// The client sent a close frame without a code. The text is API Gateway's.
    pub(crate) const NO_CODE: Self = Self::fixed(1005, "Client-side close frame status not set");
    /// The client left without a close frame. This code is never sent in a frame (text unconfirmed).
    pub(crate) const VANISHED: Self = Self::fixed(1006, "Connection closed abnormally");
    /// The client sent a text message that is not UTF-8.
    pub(crate) const NOT_UTF8: Self = Self::fixed(1007, "Text is not valid UTF-8");
    /// The client sent a message or a frame above its limit (text unconfirmed).
    pub(crate) const TOO_LARGE: Self = Self::fixed(1009, "Message too large");

    const fn fixed(code: u16, reason: &'static str) -> Self {
        Self { code, reason: Cow::Borrowed(reason) }
    }

    /// Returns the close that a client's close frame requests.
    pub(crate) fn by_client(frame: Option<&CloseFrame>) -> Self {
        match frame {
            None => Self::NO_CODE,
            Some(frame) => Self { code: frame.code.into(), reason: Cow::Owned(frame.reason.to_string()) },
        }
    }

    /// Returns the close frame for the client.
    pub(crate) fn frame(&self) -> CloseFrame {
        let reason = match &self.reason {
            Cow::Borrowed(text) => Utf8Bytes::from_static(text),
            Cow::Owned(text) => Utf8Bytes::from(text.as_str()),
        };
        CloseFrame { code: CloseCode::from(self.code), reason }
    }

    /// Converts the close to its part of the `$disconnect` event.
    pub(crate) fn into_event(self) -> Closing {
        Closing { code: self.code, reason: self.reason.into_owned() }
    }
}
