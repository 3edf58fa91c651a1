use serde::Deserialize;

use super::*;
use crate::Json;

fn request(event: Event) -> Request {
    let connection = Connection {
        id: "c1".into(),
        connected_at: 1,
        source_ip: "127.0.0.1".into(),
        user_agent: None,
        domain_name: "localhost".into(),
        stage: "dev".into(),
        principal: Some("alice".into()),
        context: vec![("role".into(), "admin".into())],
    };
    Request { request_id: "r1".into(), route_key: "chat".into(), received_at: 2, connection, event }
}

fn message(data: Payload) -> Request {
    request(Event::Message(Message { id: "m1".into(), data }))
}

fn text(data: &str) -> Request {
    message(Payload::Text(data.into()))
}

#[derive(Debug, Deserialize)]
struct Say<'a> {
    room: &'a str,
}

#[test]
fn json_borrows_from_the_message() {
    let request = text(r#"{"room":"lobby"}"#);
    let Json(say) = <Json<Say<'_>>>::from_request(&request).unwrap();
    assert_eq!(say.room, "lobby");
}

#[test]
fn json_of_another_shape_is_400_and_names_the_expectation() {
    for (data, expected) in [
        ("{}", "missing field `room`"),
        (r#"{"room":1}"#, "expected a borrowed string"),
        ("hello", "expected value"),
        ("", "EOF"),
    ] {
        let error = text(data).json::<Say<'_>>().unwrap_err();
        assert_eq!(error.status, 400, "{data}");
        assert!(error.message.contains(expected), "{data}: {}", error.message);
    }
}

#[test]
fn binary_message_is_not_text() {
    let request = message(Payload::Binary(vec![0xff]));
    assert_eq!(<&str>::from_request(&request).unwrap_err().status, 400);
    assert_eq!(Payload::from_request(&request).unwrap(), Payload::Binary(vec![0xff]));
}

#[test]
fn event_of_another_kind_is_500_and_names_both_kinds() {
    let request = request(Event::Disconnect(Closing { code: 1005, reason: String::new() }));
    let error = <&str>::from_request(&request).unwrap_err();
    assert_eq!(error.status, 500);
    assert!(error.message.contains("a message event") && error.message.contains("a disconnect event"));
    assert_eq!(<&Closing>::from_request(&request).unwrap().code, 1005);
    assert!(<Option<&Message>>::from_request(&request).unwrap().is_none());
}

#[test]
fn connection_returns_values_of_its_context() {
    let request = text("");
    let connection = <&Connection>::from_request(&request).unwrap();
    assert_eq!(connection.context_value("role"), Some("admin"));
    assert_eq!(connection.context_value("Role"), None);
}

#[test]
fn handshake_lists_the_protocols_of_all_headers() {
    let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let headers = vec![
        field("sec-websocket-protocol", "bearer, abc"),
        field("host", "localhost"),
        field("sec-websocket-protocol", ",chat"),
    ];
    let handshake = Handshake { headers, query: vec![field("token", "t")] };
    assert_eq!(handshake.protocols().collect::<Vec<_>>(), ["bearer", "abc", "chat"]);
    assert_eq!(handshake.header("Host"), Some("localhost"));
    assert_eq!(handshake.query_value("token"), Some("t"));
}
