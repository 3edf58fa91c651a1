//! The paths of `@connections`.

use std::cell::OnceCell;
use std::fmt::Write as _;
use std::time::SystemTime;

use arbitrary::Result;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use tidegate_event::ConnectionId;

use crate::reference::percent_decoded;
use crate::server::{Client, Head, REGION, STAGE, Server, credentials, with_server};
use crate::values::Source;

const HOST: &str = "127.0.0.1";

/// A socket that stays open.
struct Open {
    id: ConnectionId,
    _client: Client,
}

thread_local! {
    static OPEN: OnceCell<Open> = const { OnceCell::new() };
}

/// A call reaches a connection if and only if its path is `/STAGE/@connections/ID` with the id of the connection, which
/// may be percent-encoded.
pub fn connections_path(data: &[u8]) {
    with_server(async |server| {
        let id = open(server).await;
        let path: String = data.iter().map(|byte| char::from(b'!' + byte % (b'~' - b'!' + 1))).collect();
        call(server, &format!("/{path}"), &id).await;
        call(server, &format!("/{STAGE}/@connections/{path}"), &id).await;
        let path = encoded(&mut Source::new(data), &id).expect("an exhausted source still makes values");
        let status = call(server, &path, &id).await;
        assert_eq!(status, Some(200), "{path} is a path of {id}");
    });
}

/// Returns the id of a socket that stays open.
async fn open(server: &Server) -> ConnectionId {
    if let Some(id) = OPEN.with(|open| open.get().map(|open| open.id.clone())) {
        return id;
    }
    server.events();
    let client = server.open().await;
    let id = server.events()[0].connection.id.clone();
    OPEN.with(|open| {
        open.set(Open { id: id.clone(), _client: client }).unwrap_or_else(|_| panic!("one socket is open"))
    });
    id
}

/// Sends a signed call. Returns the status of the response.
async fn call(server: &Server, path: &str, id: &ConnectionId) -> Option<u16> {
    let mut request = format!("GET {path} HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\n");
    for (name, value) in signature(path) {
        write!(request, "{name}: {value}\r\n").unwrap();
    }
    request.push_str("\r\n");
    let mut client = server.connect().await;
    client.write(request.as_bytes(), request.len()).await;
    let status = Head::all(&client.finish().await).first().map(|head| head.status);
    assert_eq!(status == Some(200), is_path_of(path, id), "{path} got {status:?}");
    status
}

/// Returns the headers that sign a call, or none if a path cannot be signed.
fn signature(path: &str) -> Vec<(String, String)> {
    let identity = credentials().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(REGION)
        .name("execute-api")
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()
        .unwrap()
        .into();
    let headers = [("host", HOST)];
    let Ok(signable) = SignableRequest::new("GET", path, headers.into_iter(), SignableBody::Bytes(b"")) else {
        return Vec::new();
    };
    match sign(signable, &params) {
        Ok(signed) => {
            let (instructions, _) = signed.into_parts();
            instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
        }
        Err(_) => Vec::new(),
    }
}

/// Returns true if a path, with or without a query, names a connection.
fn is_path_of(path: &str, id: &ConnectionId) -> bool {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let rest = path.strip_prefix('/').and_then(|path| path.strip_prefix(STAGE)).unwrap_or_default();
    let segment = rest.strip_prefix("/@connections/").or_else(|| rest.strip_prefix("/%40connections/"));
    segment.is_some_and(|segment| percent_decoded(segment) == id.as_str().as_bytes())
}

/// Writes the path of a connection with some characters percent-encoded.
fn encoded(source: &mut Source<'_>, id: &ConnectionId) -> Result<String> {
    let name = if source.arbitrary()? { "@connections" } else { "%40connections" };
    let mut path = format!("/{STAGE}/{name}/");
    for byte in id.as_str().bytes() {
        match source.arbitrary::<u8>()? % 3 {
            0 => path.push(char::from(byte)),
            1 => write!(path, "%{byte:02x}").unwrap(),
            _ => write!(path, "%{byte:02X}").unwrap(),
        }
    }
    path.push_str(if source.arbitrary()? { "?" } else { "" });
    Ok(path)
}
