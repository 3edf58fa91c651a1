//! Encoded values decode to equal values.

// Clippy's exception for tests covers test functions, not their helpers.
#![allow(clippy::unwrap_used)]

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use tidegate_event::*;

/// Generates fields with equal names side by side, because JSON objects keep no other order.
fn fields() -> impl Strategy<Value = Fields> {
    vec((".{1,8}", vec(".{0,12}", 1..3)), 0..5).prop_map(|groups| {
        let mut fields = Fields::new();
        for (name, values) in groups {
            if !fields.iter().any(|(known, _)| *known == name) {
                fields.extend(values.into_iter().map(|value| (name.clone(), value)));
            }
        }
        fields
    })
}

/// Generates a context, whose names do not repeat.
fn context() -> impl Strategy<Value = Fields> {
    fields().prop_map(|mut fields| {
        fields.dedup_by(|a, b| a.0 == b.0);
        fields
    })
}

fn payload() -> impl Strategy<Value = Payload> {
    prop_oneof![".{0,200}".prop_map(Payload::Text), vec(any::<u8>(), 0..200).prop_map(Payload::Binary)]
}

fn handshake() -> impl Strategy<Value = Handshake> {
    (fields(), fields()).prop_map(|(headers, query)| Handshake { headers, query })
}

fn event() -> impl Strategy<Value = Event> {
    let message = ("[ -~]{1,16}", payload())
        .prop_map(|(id, data)| Event::Message(Message { id: MessageId::new(id).unwrap(), data }));
    let closing = (1000..5000_u16, ".{0,40}").prop_map(|(code, reason)| Event::Disconnect(Closing { code, reason }));
    let authorize = (".{0,40}", handshake(), context()).prop_map(|(method_arn, handshake, stage_variables)| {
        Event::Authorize(Authorization { method_arn, handshake, stage_variables })
    });
    prop_oneof![handshake().prop_map(Event::Connect), message, closing, authorize]
}

fn connection() -> impl Strategy<Value = Connection> {
    let client = ("[0-9.]{7,15}", option::of(".{0,20}"), ".{0,20}", ".{0,8}");
    ("[!-~]{1,64}", any::<u64>(), client, option::of(".{0,12}"), context()).prop_map(
        |(id, connected_at, (source_ip, user_agent, domain_name, stage), principal, context)| Connection {
            id: ConnectionId::new(id).unwrap(),
            connected_at: Timestamp(connected_at),
            source_ip,
            user_agent,
            domain_name,
            stage,
            principal,
            context,
        },
    )
}

fn request() -> impl Strategy<Value = Request> {
    let ids = ("[!-~]{1,32}", ".{0,20}", ".{1,16}", any::<u64>(), ".{0,10}");
    (ids, option::of(any::<u64>()), connection(), event()).prop_map(
        |((request_id, extended_request_id, route_key, received_at, api_id), authorizer_latency, connection, event)| {
            Request {
                request_id: RequestId::new(request_id).unwrap(),
                extended_request_id,
                route_key: RouteKey::new(route_key).unwrap(),
                received_at: Timestamp(received_at),
                api_id,
                authorizer_latency,
                connection,
                event,
            }
        },
    )
}

proptest! {
    #[test]
    fn requests_round_trip(request in request()) {
        prop_assert_eq!(decode_request(&encode_request(&request)), Ok(request));
    }

    #[test]
    fn texts_encode_like_their_messages(request in request(), id in "[ -~]{1,16}", text in ".{0,200}") {
        let id = MessageId::new(id).unwrap();
        let json = encode_message(&request, &id, &text);
        let event = Event::Message(Message { id, data: Payload::Text(text) });
        prop_assert_eq!(json, encode_request(&Request { event, ..request }));
    }

    #[test]
    fn replies_round_trip(status in 100..=599_u16, headers in fields(), body in option::of(payload())) {
        let reply = Reply { status, headers, body };
        prop_assert_eq!(decode_reply(&encode_reply(&reply)), Ok(reply));
    }

    #[test]
    fn decisions_round_trip(principal in ".{1,20}", context in context()) {
        let arn = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/dev/$connect";
        let decision = Decision::Allow(Identity { principal, context });
        let json = encode_decision(&decision, arn).unwrap();
        prop_assert_eq!(decode_decision(&json, arn), Ok(decision));
    }

    #[test]
    fn decoders_accept_any_bytes_without_panicking(bytes in vec(any::<u8>(), 0..300)) {
        let _ = decode_request(&bytes);
        let _ = decode_reply(&bytes);
        let _ = decode_decision(&bytes, "arn");
    }

    #[test]
    fn selection_reads_the_json_of_serde_json(value in ".{0,30}", other in ".{0,10}") {
        let body = serde_json::json!({"other": other, "a": {"b": value.clone()}}).to_string();
        let expression = SelectionExpression::parse("$request.body.a.b").unwrap();
        prop_assert_eq!(expression.evaluate(&body).unwrap(), value);
    }
}
