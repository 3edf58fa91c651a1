//! Proxy events, as the gateway encodes them.

use tidegate_event::{
    Authorization, Closing, Connection, ConnectionId, Event, Handshake, Message, MessageId, Payload, Request,
    RequestId, RouteKey, Timestamp, encode_request,
};

/// The connection of most events.
pub(crate) const OWN: &str = "L0SM9cOFvHcCIhw=";

pub(crate) fn connection(id: &str) -> Connection {
    Connection {
        id: ConnectionId::new(id).unwrap(),
        connected_at: Timestamp(1_700_000_000_000),
        source_ip: "192.0.2.7".to_owned(),
        user_agent: Some("probe/1".to_owned()),
        domain_name: "api.example.com".to_owned(),
        stage: "dev".to_owned(),
        principal: Some("ann".to_owned()),
        context: vec![("plan".to_owned(), "gold".to_owned())],
    }
}

/// A message on a route.
pub(crate) fn message(route: &str, text: &str) -> Vec<u8> {
    let data = Payload::Text(text.to_owned());
    encode(route, Event::Message(Message { id: MessageId::new("m1=").unwrap(), data }))
}

/// A handshake that asks the probe for a behaviour.
pub(crate) fn connect(behaviour: &str) -> Vec<u8> {
    encode("$connect", Event::Connect(handshake("do", behaviour)))
}

pub(crate) fn disconnect(behaviour: &str) -> Vec<u8> {
    encode("$disconnect", Event::Disconnect(Closing { code: 1001, reason: behaviour.to_owned() }))
}

pub(crate) const METHOD_ARN: &str = "arn:aws:execute-api:eu-west-1:123456789012:abc123/dev/$connect";

pub(crate) fn authorize(decision: &str) -> Vec<u8> {
    let handshake = handshake("decision", decision);
    let method_arn = METHOD_ARN.to_owned();
    encode("$connect", Event::Authorize(Authorization { method_arn, handshake, stage_variables: Vec::new() }))
}

fn handshake(name: &str, value: &str) -> Handshake {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Handshake {
        headers: vec![pair("Host", "api.example.com"), pair("X-Mixed", "Kept")],
        query: vec![pair(name, value)],
    }
}

fn encode(route: &str, event: Event) -> Vec<u8> {
    encode_request(&Request {
        request_id: RequestId::new("r1=").unwrap(),
        extended_request_id: "r1=".to_owned(),
        route_key: RouteKey::new(route).unwrap(),
        received_at: Timestamp(1_700_000_001_000),
        api_id: "abc123".to_owned(),
        authorizer_latency: None,
        connection: connection(OWN),
        event,
    })
}
