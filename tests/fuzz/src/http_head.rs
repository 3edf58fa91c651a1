//! The head of an HTTP request.

use std::fmt::Write as _;

use arbitrary::Result;
use tidegate_event::{Event, Fields, Handshake, Request};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::fields::grouped;
use crate::server::{Head, Server, with_server};
use crate::values::{Source, count, text, visible};

/// The characters of a token (RFC 9110, section 5.6.2).
const TOKEN: &[u8; 77] = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
/// The headers that the gateway adds.
const ADDED: [&str; 4] = ["X-Forwarded-For", "X-Amzn-Trace-Id", "X-Forwarded-Port", "X-Forwarded-Proto"];

/// Any bytes of a client are answered, or its socket is closed. `$connect` runs if and only if the socket opens, and
/// receives the very headers that the upgrade was decided on. A well-formed handshake opens the socket, and `$connect`
/// receives its headers and its query as the client wrote them.
pub fn http_head(data: &[u8]) {
    let (first, bytes) = data.split_first().unwrap_or((&0, &[]));
    with_server(async |server| raw(server, bytes, usize::from(*first)).await);
    let mut source = Source::new(data);
    let handshake = handshake(&mut source).expect("an exhausted source still makes values");
    with_server(async |server| valid(server, handshake, usize::from(*first)).await);
}

async fn raw(server: &Server, bytes: &[u8], first: usize) {
    // With the end of a head, the gateway need not wait for more.
    let (heads, connects) = exchange(server, &[bytes, b"\r\n\r\n"].concat(), first).await;
    let Some(head) = heads.last().filter(|head| head.status == 101) else {
        assert_eq!(connects, [], "`$connect` ran for a socket that did not open");
        return;
    };
    let [handshake] = connects.as_slice() else { panic!("`$connect` ran {} times", connects.len()) };
    let values = |name: &str| {
        let named = handshake.headers.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect::<Vec<_>>()
    };
    let key = *values("Sec-WebSocket-Key").first().expect("`$connect` receives the key");
    assert_eq!(head.header("Sec-WebSocket-Accept"), Some(derive_accept_key(key.as_bytes()).as_str()));
    assert_eq!(values("Host").len(), 1, "`$connect` receives one host");
    let hops = values("X-Forwarded-For").join(",");
    assert_eq!(hops.rsplit(',').next().map(str::trim), Some("127.0.0.1"), "the gateway's hop is the last one");
    for name in ["Connection", "Upgrade", "Transfer-Encoding", "Content-Length"] {
        assert!(values(name).is_empty(), "`{name}` is for the gateway alone");
    }
}

async fn valid(server: &Server, handshake: Handshake, first: usize) {
    let mut request = "GET /dev".to_owned();
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(&handshake.query);
    let query = query.finish();
    if !handshake.query.is_empty() {
        write!(request, "?{query}").unwrap();
    }
    request.push_str(" HTTP/1.1\r\nhost: 127.0.0.1\r\nCONNECTION: keep-alive, Upgrade\r\nupgrade: WebSocket\r\n");
    let mut headers: Fields = vec![("host".to_owned(), "127.0.0.1".to_owned())];
    headers.push(("Sec-WebSocket-Version".to_owned(), "13".to_owned()));
    headers.push(("Sec-WebSocket-Key".to_owned(), "dGhlIHNhbXBsZSBub25jZQ==".to_owned()));
    headers.extend(handshake.headers);
    for (name, value) in &headers[1..] {
        write!(request, "{name}:{value}\r\n").unwrap();
    }
    request.push_str("\r\n");
    let (heads, connects) = exchange(server, request.as_bytes(), first).await;
    assert!(heads.iter().map(|head| head.status).eq([101]), "a well-formed handshake opens the socket");
    let [received] = connects.as_slice() else { panic!("`$connect` ran {} times", connects.len()) };
    let own = |(name, _): &&(String, String)| !ADDED.contains(&name.as_str());
    assert_eq!(received.headers.iter().filter(own).cloned().collect::<Fields>(), grouped(headers));
    assert_eq!(received.query, grouped(handshake.query));
}

/// Sends requests. Returns the heads of the responses, and the handshakes that `$connect` received.
async fn exchange(server: &Server, requests: &[u8], first: usize) -> (Vec<Head>, Vec<Handshake>) {
    server.events();
    let mut client = server.connect().await;
    client.write(requests, first).await;
    let heads = Head::all(&client.finish().await);
    let handshake = |Request { event, .. }| match event {
        Event::Connect(handshake) => Some(handshake),
        _ => None,
    };
    (heads, server.events().into_iter().filter_map(handshake).collect())
}

/// Makes headers and a query. The names of the headers are none that a gateway decides on.
fn handshake(source: &mut Source<'_>) -> Result<Handshake> {
    let mut headers = Fields::new();
    for _ in 0..count(source, 0, 6)? {
        let mut name = "X-".to_owned();
        for _ in 0..count(source, 1, 8)? {
            name.push(char::from(TOKEN[usize::from(source.arbitrary::<u8>()?) % TOKEN.len()]));
        }
        // Spaces are a part of a value only between other characters.
        let value = format!("{} é{}", visible(source, 1, 8)?, visible(source, 0, 8)?);
        headers.push((name, value));
    }
    let length = count(source, 0, 4)?;
    let query = (0..length).map(|_| Ok((text(source, 0, 6)?, text(source, 0, 6)?))).collect::<Result<_>>()?;
    Ok(Handshake { headers, query })
}
