//! The detection of clients that have vanished without closing their connection.
//!
//! A machine that loses its power or its network sends nothing. By default, Linux sends data again for 16 minutes, and
//! probes an idle connection after two hours. With these options, the system ends the connection with an error, which
//! the task of the connection reads, so the connection closes with 1006 and its `$disconnect` runs.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// The number of probes that a client may miss.
const PROBES: u32 = 3;
/// The resolution of the times of probes.
const SECOND: Duration = Duration::from_secs(1);

/// Sets the options of a client's socket. A client that acknowledges nothing for `limit` is gone.
///
/// The first probe is sent after half of the time, and the others share the other half.
///
/// # Errors
/// The system does not know an option.
pub(crate) fn watch(stream: &TcpStream, limit: Duration) -> io::Result<()> {
    let socket = SockRef::from(stream);
    let idle = (limit / 2).max(SECOND);
    let probes = TcpKeepalive::new().with_time(idle).with_interval((idle / PROBES).max(SECOND)).with_retries(PROBES);
    socket.set_tcp_keepalive(&probes)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(limit))?;
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn sockets_have_probes_and_a_time_limit_for_data() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        watch(&client, Duration::from_secs(60)).unwrap();
        let socket = SockRef::from(&client);
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(30));
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), Duration::from_secs(10));
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), 3);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_secs(60)));
    }
}
