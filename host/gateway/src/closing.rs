//! Close codes and reasons.

use std::borrow::Cow;

use tidegate_event::Closing;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// Why a connection ended: the code and the reason that its `$disconnect` event states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Close {
    pub(crate) code: u16,
    pub(crate) reason: Cow<'static, str>,
}

impl Close {
    /// DELETE on @connections; the text is API Gateway's (observed).
    pub(crate) const DELETED: Self = Self::fixed(1000, "Connection Closed Normally");
    /// Ten minutes without a frame (code unconfirmed).
    pub(crate) const IDLE: Self = Self::fixed(1001, "Going away");
    /// Two hours of life (code unconfirmed).
    pub(crate) const LIFETIME: Self = Self::fixed(1001, "Going away");
    /// The gateway stops.
    pub(crate) const SHUTDOWN: Self = Self::fixed(1001, "Going away");
    /// The client broke RFC 6455.
    pub(crate) const PROTOCOL: Self = Self::fixed(1002, "Protocol error");
    /// A binary frame from the client.
    pub(crate) const BINARY: Self = Self::fixed(1003, "Binary data is not accepted");
    /// The client's close frame had no code; the text is API Gateway's.
    pub(crate) const NO_CODE: Self = Self::fixed(1005, "Client-side close frame status not set");
    /// The client vanished; never sent in a frame (text unconfirmed).
    pub(crate) const VANISHED: Self = Self::fixed(1006, "Connection closed abnormally");
    /// A text message that is not UTF-8.
    pub(crate) const NOT_UTF8: Self = Self::fixed(1007, "Text is not valid UTF-8");
    /// A message or a frame above its limit (text unconfirmed).
    pub(crate) const TOO_LARGE: Self = Self::fixed(1009, "Message too large");

    const fn fixed(code: u16, reason: &'static str) -> Self {
        Self { code, reason: Cow::Borrowed(reason) }
    }

    /// What the client's close frame says.
    pub(crate) fn by_client(frame: Option<&CloseFrame>) -> Self {
        match frame {
            None => Self::NO_CODE,
            Some(frame) => Self { code: frame.code.into(), reason: Cow::Owned(frame.reason.to_string()) },
        }
    }

    /// The frame that tells the client.
    pub(crate) fn frame(&self) -> CloseFrame {
        let reason = match &self.reason {
            Cow::Borrowed(text) => Utf8Bytes::from_static(text),
            Cow::Owned(text) => Utf8Bytes::from(text.as_str()),
        };
        CloseFrame { code: CloseCode::from(self.code), reason }
    }

    /// The part of the `$disconnect` event.
    pub(crate) fn into_event(self) -> Closing {
        Closing { code: self.code, reason: self.reason.into_owned() }
    }
}
