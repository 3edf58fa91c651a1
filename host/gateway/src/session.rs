//! One connection, from its handshake to its `$disconnect`.
//!
//! A session is a separate task, so a client that vanishes during its handshake cancels nothing. Each `$connect` that
//! accepts a client is followed by a `$disconnect`.

use std::sync::Arc;

use http::{HeaderValue, StatusCode};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tidegate_diagnostic::Code;
use tidegate_event::{
    Connection, ConnectionId, Event, Handshake, IdError, Identity, Request, RequestId, RouteKey, decode_reply,
    encode_request,
};
use tokio::sync::oneshot;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_util::sync::CancellationToken;

use crate::api::ApiConfig;
use crate::authorize::authorize;
use crate::closing::Close;
use crate::connection_task::{ConnectionTask, Ended};
use crate::endpoint::Answer;
use crate::gateway::Gateway;
use crate::handshake::{Refusal, Upgrade};
use crate::ids::Id;
use crate::invoke::{Caller, Function};
use crate::limits::Limits;
use crate::recording_stream::RecordingStream;
use crate::socket_table::{Entry, Peer};
use crate::write_buffer::{MAX_WRITE_BUFFER_BYTES, WRITE_BUFFER_BYTES};

/// The number of bytes that a socket reads at a time. tungstenite clears this many bytes at every read, and keeps this
/// many for every connection.
pub(crate) const READ_BUFFER_BYTES: usize = 4 << 10;

/// A client's socket as WebSocket frames.
pub(crate) type Socket = WebSocketStream<RecordingStream>;

/// Serves a connection from its upgrade request to its end.
pub(crate) async fn run(gateway: Arc<Gateway>, upgrade: Upgrade, upgraded: OnUpgrade, answer: oneshot::Sender<Answer>) {
    // The state of the handshake is boxed, so an open connection does not reserve memory for it.
    let handshake = Box::pin(gateway.in_turn(shake_hands(&gateway, upgrade, answer)));
    let Some((entry, mut request)) = handshake.await else { return };
    let ended = match open(&gateway, upgraded).await {
        Some(socket) => ConnectionTask::new(Arc::clone(&gateway), &entry, socket, &mut request).await,
        None => Ended::vanished(),
    };
    let departed = Arc::clone(&entry.peer);
    drop(entry);
    Box::pin(gateway.in_turn(end(&gateway, ended, request, &departed.departed))).await;
}

/// Runs the authorizer and `$connect`, and responds to the client. Returns `None` if the client is refused.
async fn shake_hands(
    gateway: &Arc<Gateway>,
    upgrade: Upgrade,
    mut answer: oneshot::Sender<Answer>,
) -> Option<(Entry, Request)> {
    let api = gateway.api();
    let (mut request, peer) = new_connection(gateway, &api, &upgrade).ok()?;
    let entry = gateway.sockets.insert(peer);
    if gateway.is_stopping() {
        entry.peer.outbox.close(Close::SHUTDOWN);
    }
    let departed = entry.peer.departed.clone();
    let admitted = {
        // hyper drops the response's receiver when the client leaves.
        let left = async {
            answer.closed().await;
            departed.cancel();
        };
        let admit = admit(gateway, &api, &mut request, upgrade.handshake.clone(), &departed);
        let (mut admit, mut left) = (std::pin::pin!(admit), std::pin::pin!(left));
        tokio::select! {
            biased;
            admitted = &mut admit => admitted,
            () = &mut left => admit.await,
        }
    };
    match admitted {
        Ok(protocol) => {
            // From now on, messages wait in the outbox for the socket, so a client whose socket is open is never gone
            // for other calls. If the client has already left, the session notices when it opens the socket.
            entry.peer.outbox.open();
            drop(answer.send(upgrade.accept(protocol)));
        }
        Err(refusal) => {
            drop(answer.send(refusal.answer(&entry.peer.id, &request.request_id)));
            return None;
        }
    }
    // Frees the memory that only the handshake needs.
    request.event = Event::Connect(Handshake::default());
    Some((entry, request))
}

/// Creates a connection and the part that all its events share.
fn new_connection(gateway: &Gateway, api: &ApiConfig, upgrade: &Upgrade) -> Result<(Request, Peer), IdError> {
    let id = ConnectionId::new(gateway.ids.next().as_str())?;
    let (source_ip, user_agent) = (upgrade.source_ip.clone(), upgrade.user_agent.clone());
    let peer = Peer::new(id.clone(), source_ip, user_agent, &gateway.clock, &gateway.limits.memory);
    let request_id = gateway.ids.next();
    let request = Request {
        request_id: RequestId::new(request_id.as_str())?,
        extended_request_id: request_id.as_str().to_owned(),
        route_key: RouteKey::new(RouteKey::CONNECT)?,
        received_at: peer.connected_at,
        api_id: api.api_id.clone(),
        connection: Connection {
            id,
            connected_at: peer.connected_at,
            source_ip: upgrade.source_ip.clone(),
            user_agent: upgrade.user_agent.clone(),
            domain_name: api.domain_name.clone().unwrap_or_else(|| upgrade.host.clone()),
            stage: api.stage.clone(),
            principal: None,
            context: Vec::new(),
        },
        authorizer_latency: None,
        event: Event::Connect(Handshake::default()),
    };
    Ok((request, peer))
}

/// Invokes the authorizer, then `$connect`. Returns the subprotocol that `$connect` chose.
async fn admit(
    gateway: &Gateway,
    api: &ApiConfig,
    request: &mut Request,
    handshake: Handshake,
    departed: &CancellationToken,
) -> Result<Option<HeaderValue>, Refusal> {
    if let Some(authorizer) = &api.authorizer {
        let authorized = authorize(gateway, api, authorizer, request, &handshake, departed).await?;
        let Identity { principal, context } = authorized.identity;
        request.connection.principal = Some(principal);
        request.connection.context = context;
        request.authorizer_latency = Some(authorized.latency);
    }
    if api.route(RouteKey::CONNECT).is_none() {
        return Ok(None);
    }
    request.event = Event::Connect(handshake);
    connect(gateway, request, departed).await
}

async fn connect(
    gateway: &Gateway,
    request: &Request,
    departed: &CancellationToken,
) -> Result<Option<HeaderValue>, Refusal> {
    let caller = Caller { route: &request.route_key, connection: &request.connection.id, departed };
    let json = gateway.invoke(Function::Handler, encode_request(request), caller).await.map_err(|error| {
        let connection = &request.connection.id;
        if departed.is_cancelled() {
            tracing::debug!(%connection, %error, "cannot run $connect for a client that has left");
        } else {
            tracing::warn!(%connection, code = %error.code(), %error, "cannot run $connect");
        }
        Refusal::ConnectFailed
    })?;
    let reply = decode_reply(&json).map_err(|error| {
        let connection = &request.connection.id;
        tracing::warn!(%connection, code = %Code::ReplyInvalid, %error, "cannot use the reply of $connect");
        Refusal::ConnectFailed
    })?;
    match StatusCode::from_u16(reply.status) {
        Ok(status) if status.is_success() => {}
        // An informational status cannot end a handshake.
        Ok(status) if !status.is_informational() => return Err(Refusal::Status(status)),
        _ => {
            let (connection, status) = (&request.connection.id, reply.status);
            tracing::warn!(%connection, code = %Code::ReplyInvalid, status, "cannot use the status of $connect");
            return Err(Refusal::ConnectFailed);
        }
    }
    let chosen = reply.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("Sec-WebSocket-Protocol"));
    Ok(chosen.and_then(|(_, value)| HeaderValue::from_str(value).ok()))
}

/// Returns the socket once the response is written, or `None` if the client has left.
async fn open(gateway: &Gateway, upgraded: OnUpgrade) -> Option<Socket> {
    let upgraded: Upgraded = upgraded.await.ok()?;
    let parts = upgraded.downcast::<TokioIo<RecordingStream>>().ok()?;
    let config = config(&gateway.limits);
    let mut stream = parts.io.into_inner();
    stream.scan_frames(&parts.read_buf);
    Some(if parts.read_buf.is_empty() {
        Socket::from_raw_socket(stream, Role::Server, Some(config)).await
    } else {
        Socket::from_partially_read(stream, parts.read_buf.to_vec(), Role::Server, Some(config)).await
    })
}

fn config(limits: &Limits) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(MAX_WRITE_BUFFER_BYTES)
        .max_message_size(Some(limits.message_bytes))
        .max_frame_size(Some(limits.frame_bytes))
}

/// Closes the socket, finishes the messages in progress, and runs `$disconnect`, all concurrently.
async fn end(gateway: &Gateway, ended: Ended, mut request: Request, departed: &CancellationToken) {
    let close = ended.close.clone();
    let disconnect = async {
        let api = gateway.api();
        let Some((route, _)) = api.route(RouteKey::DISCONNECT) else { return };
        request.route_key = route.clone();
        if stamp(gateway, &mut request).is_ok() {
            request.event = Event::Disconnect(close.into_event());
            let caller = Caller { route, connection: &request.connection.id, departed };
            if let Err(error) = gateway.invoke(Function::Handler, encode_request(&request), caller).await {
                let connection = &request.connection.id;
                tracing::warn!(%connection, code = %error.code(), %error, "cannot run $disconnect");
            }
        }
    };
    tokio::join!(disconnect, ended.finish(gateway.limits.close_handshake));
}

/// Gives a request the id and the time of a new event, and returns the id.
pub(crate) fn stamp(gateway: &Gateway, request: &mut Request) -> Result<Id, IdError> {
    let id = gateway.ids.next();
    request.request_id = RequestId::new(id.as_str())?;
    request.extended_request_id.clear();
    request.extended_request_id.push_str(id.as_str());
    request.received_at = gateway.clock.now();
    Ok(id)
}
