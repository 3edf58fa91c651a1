//! Real events, replies and policies, decoded and encoded back to the same JSON.

// Clippy's exception for tests covers test functions, not their helpers.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use tidegate_event::*;

const ARN: &str = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/dev/$connect";

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("fixtures/", $name, ".json")).as_slice()
    };
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

/// Decodes an event, checks that it encodes to the same JSON, and returns it.
fn request(fixture: &[u8]) -> Request {
    let request = decode_request(fixture).unwrap();
    assert_eq!(json(&encode_request(&request)), json(fixture));
    request
}

fn reply(fixture: &[u8]) -> Reply {
    let reply = decode_reply(fixture).unwrap();
    assert_eq!(json(&encode_reply(&reply)), json(fixture));
    reply
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[test]
fn connect_events_round_trip() {
    let request = request(fixture!("connect"));
    assert_eq!(request.route_key.as_str(), RouteKey::CONNECT);
    assert_eq!(request.received_at, Timestamp(1_663_597_639_106));
    assert_eq!(request.api_id, "a1b2c3d4e5");
    assert_eq!(request.authorizer_latency, None);
    let connection = &request.connection;
    assert_eq!(connection.id.as_str(), "YqvkZeQZjoECF9g=");
    assert_eq!(connection.connected_at, Timestamp(1_663_597_639_104));
    assert_eq!(connection.source_ip, "203.0.113.7");
    assert!(connection.user_agent.as_ref().unwrap().contains("Firefox"));
    assert_eq!((connection.stage.as_str(), &connection.principal), ("dev", &None));
    let Event::Connect(handshake) = &request.event else { panic!("{:?}", request.event) };
    assert_eq!(handshake.headers.first(), Some(&pair("Host", &connection.domain_name)));
    assert_eq!(handshake.query, []);
}

#[test]
fn connect_events_with_query_and_authorizer_round_trip() {
    let request = request(fixture!("connect-query-authorizer"));
    assert_eq!(request.authorizer_latency, Some(24));
    assert_eq!(request.connection.principal.as_deref(), Some("ada"));
    let context = [pair("tenant", "blue"), pair("moderator", "true"), pair("age", "42")];
    assert_eq!(request.connection.context, context);
    let Event::Connect(handshake) = request.event else { panic!("{:?}", request.event) };
    assert_eq!(handshake.query, [pair("room", "lobby"), pair("room", "kitchen"), pair("name", "Ada Lovelace")]);
    let protocols: Vec<_> = handshake.headers.iter().filter(|(name, _)| name == "Sec-WebSocket-Protocol").collect();
    assert_eq!(protocols.len(), 2);
}

#[test]
fn message_events_round_trip() {
    let message = |fixture| match request(fixture).event {
        Event::Message(message) => message,
        event => panic!("{event:?}"),
    };
    let text = message(fixture!("message"));
    assert_eq!(text.id.as_str(), "YqvlXeQ3joECF9g=");
    assert_eq!(
        text.data,
        Payload::Text(r#"{"action":"chat","room":"lobby","text":"Grüße \"allerseits\" 👋"}"#.to_owned())
    );
    assert_eq!(message(fixture!("message-authorizer")).data, Payload::Text("not json".to_owned()));
    assert_eq!(message(fixture!("message-binary")).data, Payload::Binary(vec![0, 255, 128, 10, 13, 1]));
}

#[test]
fn disconnect_events_round_trip() {
    for (fixture, code, reason) in [
        (fixture!("disconnect-1000"), 1000, "Normal closure"),
        (fixture!("disconnect-1001"), 1001, "Going away"),
        (fixture!("disconnect-1005"), 1005, "Client-side close frame status not set"),
    ] {
        assert_eq!(request(fixture).event, Event::Disconnect(Closing { code, reason: reason.to_owned() }));
    }
}

#[test]
fn authorizer_events_round_trip() {
    let authorization = |fixture| match request(fixture).event {
        Event::Authorize(authorization) => authorization,
        event => panic!("{event:?}"),
    };
    let full = authorization(fixture!("authorizer"));
    assert_eq!(full.method_arn, ARN);
    assert_eq!(full.stage_variables, [pair("colour", "green")]);
    assert_eq!(full.handshake.query, [pair("token", "eyJhbGciOiJIUzI1NiJ9")]);
    assert_eq!(authorization(fixture!("authorizer-plain")).handshake.query, []);
}

#[test]
fn unknown_and_omitted_members_are_tolerated() {
    let mut event = json(fixture!("message-authorizer"));
    event["stageVariables"] = json!({"colour": "green"});
    event["headers"] = Value::Null;
    event["isBase64Encoded"] = Value::Null;
    event["requestContext"]["error"] = json!({"message": null});
    event["requestContext"]["identity"]["cognitoIdentityId"] = Value::Null;
    event["requestContext"]["authorizer"] = json!({"principalId": "ada", "age": 42, "ok": true, "x": null, "y": {}});
    let request = decode_request(&serde_json::to_vec(&event).unwrap()).unwrap();
    assert_eq!(request.connection.context, [pair("age", "42"), pair("ok", "true")]);

    let mut event = json(fixture!("disconnect-1001"));
    let context = event["requestContext"].as_object_mut().unwrap();
    context.remove("disconnectStatusCode");
    context.remove("disconnectReason");
    context.remove("extendedRequestId");
    let request = decode_request(&serde_json::to_vec(&event).unwrap()).unwrap();
    assert_eq!(request.event, Event::Disconnect(Closing { code: 1005, reason: String::new() }));

    let mut event = json(fixture!("connect-query-authorizer"));
    event.as_object_mut().unwrap().remove("multiValueQueryStringParameters");
    let request = decode_request(&serde_json::to_vec(&event).unwrap()).unwrap();
    let Event::Connect(handshake) = request.event else { panic!("{:?}", request.event) };
    assert_eq!(handshake.query, [pair("name", "Ada Lovelace"), pair("room", "kitchen")]);
}

#[test]
fn replies_round_trip() {
    assert_eq!(reply(fixture!("reply-plain")), Reply { status: 200, headers: vec![], body: None });
    assert_eq!(reply(fixture!("reply-body")).body, Some(Payload::Text(r#"{"ok":true}"#.to_owned())));
    assert_eq!(reply(fixture!("reply-protocol")).headers, [pair("Sec-WebSocket-Protocol", "bearer")]);
    let headers = [pair("Set-Cookie", "a=1"), pair("Set-Cookie", "b=2"), pair("X-One", "1")];
    assert_eq!(reply(fixture!("reply-repeated")).headers, headers);
    assert_eq!(reply(fixture!("reply-binary")).body, Some(Payload::Binary(vec![0, 255, 128, 10, 13, 1])));
}

#[test]
fn lenient_replies_decode_as_in_api_gateway() {
    let reply = decode_reply(
        br#"{"statusCode": "201", "body": null, "isBase64Encoded": null, "other": [1], "cookies": [],
             "headers": {"A": 1, "B": true, "C": "c", "D": null}, "multiValueHeaders": {"C": ["c", "cc"], "E": null}}"#,
    );
    let headers = vec![pair("A", "1"), pair("B", "true"), pair("C", "c"), pair("C", "cc")];
    assert_eq!(reply.unwrap(), Reply { status: 201, headers, body: None });
}

#[test]
fn policies_are_evaluated() {
    let ada = |context: Vec<(String, String)>| Decision::Allow(Identity { principal: "ada".to_owned(), context });
    let decide = |fixture| decode_decision(fixture, ARN).unwrap();
    let encoded = |decision| json(&encode_decision(&decision, ARN).unwrap());

    let allow = decide(fixture!("policy-allow"));
    assert_eq!(allow, ada(vec![pair("tenant", "blue"), pair("level", "7")]));
    assert_eq!(encoded(allow), json(fixture!("policy-allow")));
    assert_eq!(decide(fixture!("policy-deny")), Decision::Deny);
    assert_eq!(encoded(Decision::Deny), json(fixture!("policy-deny")));

    let context = vec![pair("tenant", "blue"), pair("level", "7"), pair("ratio", "0.5"), pair("admin", "false")];
    assert_eq!(decide(fixture!("policy-wildcards")), ada(context));
    assert_eq!(decide(fixture!("policy-one-statement")), ada(vec![]));
    assert_eq!(decide(fixture!("policy-deny-wins")), Decision::Deny);
    assert_eq!(decide(fixture!("policy-elsewhere")), Decision::Deny);
}

#[test]
fn decisions_without_a_policy_are_function_errors() {
    let error = encode_decision(&Decision::Unauthorized, ARN).unwrap_err();
    assert!(error.is_unauthorized());
    assert_eq!(json(&encode_function_error(&error))["errorMessage"], "Unauthorized");
    let identity = Identity { principal: String::new(), context: vec![] };
    let error = encode_decision(&Decision::Allow(identity), ARN).unwrap_err();
    assert_eq!(error.error_message, "the principal is empty");
    let identity = Identity { principal: "ada".to_owned(), context: vec![pair("a", &"x".repeat(MAX_DECISION_BYTES))] };
    let error = encode_decision(&Decision::Allow(identity), ARN).unwrap_err();
    assert_eq!(error.error_type, "Tidegate.Identity");
    assert!(error.error_message.ends_with("above its limit of 8192"), "{}", error.error_message);
}

#[test]
fn function_errors_round_trip() {
    let error = FunctionError { error_type: "Tidegate.Trap".to_owned(), error_message: "unreachable \"x\"".to_owned() };
    assert_eq!(decode_function_error(&encode_function_error(&error)), Ok(error.clone()));
    let traced = json!({"errorType": "Tidegate.Trap", "errorMessage": "unreachable \"x\"", "stackTrace": ["a"]});
    assert_eq!(decode_function_error(traced.to_string().as_bytes()), Ok(error));
    let timeout = decode_function_error(br#"{"errorMessage": "Task timed out after 3.00 seconds"}"#).unwrap();
    assert_eq!(timeout.error_type, "");
    assert!(!timeout.is_unauthorized());
}
