//! X-Ray traces: each event sends a subsegment, which names its release, to the X-Ray daemon beside the process.
//!
//! A lost datagram loses only one subsegment, so no event waits for a reply.
//!
//! <https://docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html>

use std::net::UdpSocket;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;

use crate::invocation::{Done, Invocation};

/// The header of each document.
const HEADER: &str = "{\"format\":\"json\",\"version\":1}\n";
/// The name of the subsegment.
const NAME: &str = "tidegate";

/// Sends subsegments to one daemon.
pub(crate) struct Tracer {
    socket: UdpSocket,
}

/// The contents of a trace header.
struct Trace<'a> {
    id: &'a str,
    parent: &'a str,
}

impl Tracer {
    /// Creates a tracer for the daemon at the address `daemon`, the value of `AWS_XRAY_DAEMON_ADDRESS`.
    ///
    /// # Errors
    /// The error of the socket.
    pub(crate) fn new(daemon: &str) -> std::io::Result<Self> {
        let socket = UdpSocket::bind(("0.0.0.0", 0))?;
        socket.connect(daemon)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket })
    }

    /// Sends the subsegment of an event that has ended, if its trace is sampled.
    pub(crate) fn send(&self, invocation: &Invocation, done: &Done) {
        let Some(trace) = invocation.trace_id.as_deref().and_then(Trace::sampled) else { return };
        let Some(active) = &done.active else { return };
        let end = SystemTime::now();
        let took = done.took;
        let start = end.checked_sub(invocation.began.elapsed()).unwrap_or(end);
        let document = json!({
            "name": NAME,
            "id": format!("{:016x}", id(&invocation.request_id)),
            "trace_id": trace.id,
            "parent_id": trace.parent,
            "type": "subsegment",
            "start_time": seconds(start),
            "end_time": seconds(start + took),
            "fault": done.failed || done.fault.is_some(),
            "annotations": {
                "release": active.release.as_str(),
                "track": active.track.to_string(),
                "route": done.route.as_deref().unwrap_or("none"),
            },
        });
        // The daemon may have ended, or its buffer may be full.
        let _ = self.socket.send(format!("{HEADER}{document}").as_bytes());
    }
}

impl<'a> Trace<'a> {
    /// Parses a trace header, and returns the trace if it is sampled: `Root=1-…;Parent=…;Sampled=1`.
    fn sampled(header: &'a str) -> Option<Self> {
        let part = |name| header.split(';').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
        let trace = Self { id: part("Root")?, parent: part("Parent")? };
        (part("Sampled") == Some("1")).then_some(trace)
    }
}

/// Returns an id that is unique in the trace: Lambda's request id is random, and an event has one subsegment.
fn id(request_id: &str) -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(request_id)
}

fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).map_or(0.0, |since: Duration| since.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sampled_headers_are_parsed() {
        let sampled =
            Trace::sampled("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;Lineage=a:1");
        let trace = sampled.unwrap();
        assert_eq!((trace.id, trace.parent), ("1-5759e988-bd862e3fe1be46a994272793", "53995c3f42cd8ad8"));
        for header in ["", "Root=1-a;Parent=b;Sampled=0", "Root=1-a;Parent=b", "Root=1-a;Sampled=1", "garbage"] {
            assert!(Trace::sampled(header).is_none(), "{header}");
        }
    }
}
