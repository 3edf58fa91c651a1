//! The context of an event in the log.

use tidegate_event::{ConnectionId, RequestId, RouteKey};
use tidegate_release::ReleaseId;

/// The identity of an event, which every log line about it carries.
#[derive(Debug)]
pub(crate) struct EventContext {
    pub(crate) request_id: RequestId,
    pub(crate) connection_id: ConnectionId,
    /// The key of the route that runs, or the requested key if no route runs.
    pub(crate) route: RouteKey,
    /// The release that the event runs on.
    pub(crate) release: ReleaseId,
}

/// Writes a log line with the fields of an [`EventContext`].
///
/// Spans would carry the fields too, but a span per event costs as much as decoding the event.
macro_rules! log_event {
    (target: $target:expr, $level:ident, $context:expr, $($fields:tt)+) => {{
        let context: &$crate::context::EventContext = $context;
        tracing::event!(
            target: $target,
            tracing::Level::$level,
            requestId = %context.request_id,
            connectionId = %context.connection_id,
            route = %context.route,
            release = %context.release,
            $($fields)+
        );
    }};
    ($level:ident, $context:expr, $($fields:tt)+) => {
        $crate::context::log_event!(target: module_path!(), $level, $context, $($fields)+)
    };
}

pub(crate) use log_event;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Returns the context of an event for tests.
    pub(crate) fn context() -> EventContext {
        EventContext {
            request_id: RequestId::new("request").unwrap(),
            connection_id: ConnectionId::new("connection").unwrap(),
            route: RouteKey::new("$default").unwrap(),
            release: "0123456789abcdef".parse().unwrap(),
        }
    }
}
