//! The codec of API Gateway's events.

use arbitrary::Result;
use tidegate_event::*;

use crate::fields::{context, fields, grouped, last_values};
use crate::values::{Source, bytes, count, option, text, visible};

/// The resource that decisions are about.
const ARN: &str = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/dev/$connect";
/// Members of `requestContext.authorizer` that are not a part of the context.
const RESERVED: [&str; 2] = ["principalId", "integrationLatency"];

/// Decoders take any bytes, and what they decode has one encoding.
pub fn event(data: &[u8]) {
    texts(data);
    values(&mut Source::new(data)).expect("an exhausted source still makes values");
}

/// Decodes the bytes. Encoding and decoding the result again changes nothing.
fn texts(data: &[u8]) {
    if let Ok(request) = decode_request(data) {
        assert_eq!(decode_request(&encode_request(&request)).map(normal), Ok(normal(request)));
    }
    if let Ok(reply) = decode_reply(data) {
        assert_eq!(decode_reply(&encode_reply(&reply)).map(normal_reply), Ok(normal_reply(reply)));
    }
    if let Ok(decision) = decode_decision(data, ARN) {
        decision_round_trips(normal_decision(decision));
    }
    if let Ok(error) = decode_function_error(data) {
        assert_eq!(decode_function_error(&encode_function_error(&error)), Ok(error));
    }
}

/// Makes values, encodes them and decodes them.
fn values(source: &mut Source<'_>) -> Result<()> {
    let request = request(source)?;
    assert_eq!(decode_request(&encode_request(&request)).map(normal), Ok(normal(request.clone())));
    let (id, text) = (MessageId::new(visible(source, 1, 16)?).unwrap(), text(source, 0, 40)?);
    let json = encode_message(&request, &id, &text);
    let event = Event::Message(Message { id, data: Payload::Text(text) });
    assert_eq!(json, encode_request(&Request { event, ..request }), "a text has the encoding of its message");
    let reply =
        Reply { status: source.int_in_range(100..=599)?, headers: fields(source)?, body: option(source, payload)? };
    assert_eq!(decode_reply(&encode_reply(&reply)).map(normal_reply), Ok(normal_reply(reply)));
    let identity = Identity { principal: crate::values::text(source, 1, 20)?, context: context(source, &[])? };
    decision_round_trips(if source.arbitrary()? { Decision::Allow(identity) } else { Decision::Deny });
    Ok(())
}

fn decision_round_trips(decision: Decision) {
    // An identity above the limit of a decision is reported instead of encoded.
    if let Ok(json) = encode_decision(&decision, ARN) {
        assert_eq!(decode_decision(&json, ARN), Ok(decision));
    }
}

fn request(source: &mut Source<'_>) -> Result<Request> {
    Ok(Request {
        request_id: RequestId::new(visible(source, 1, 32)?).unwrap(),
        extended_request_id: text(source, 0, 20)?,
        route_key: RouteKey::new(text(source, 1, 16)?).unwrap(),
        received_at: Timestamp(source.arbitrary()?),
        api_id: text(source, 0, 10)?,
        authorizer_latency: source.arbitrary()?,
        connection: Connection {
            id: ConnectionId::new(visible(source, 1, 64)?).unwrap(),
            connected_at: Timestamp(source.arbitrary()?),
            source_ip: text(source, 0, 15)?,
            user_agent: option(source, |source| text(source, 0, 20))?,
            domain_name: text(source, 0, 20)?,
            stage: text(source, 0, 8)?,
            principal: option(source, |source| text(source, 0, 12))?,
            context: context(source, &RESERVED)?,
        },
        event: kind(source)?,
    })
}

fn kind(source: &mut Source<'_>) -> Result<Event> {
    let handshake = |source: &mut Source<'_>| Ok(Handshake { headers: fields(source)?, query: fields(source)? });
    Ok(match count(source, 0, 3)? {
        0 => Event::Connect(handshake(source)?),
        1 => Event::Message(Message { id: MessageId::new(visible(source, 1, 16)?).unwrap(), data: payload(source)? }),
        2 => Event::Disconnect(Closing { code: source.arbitrary()?, reason: text(source, 0, 40)? }),
        _ => Event::Authorize(Authorization {
            method_arn: text(source, 0, 40)?,
            handshake: handshake(source)?,
            stage_variables: context(source, &[])?,
        }),
    })
}

fn payload(source: &mut Source<'_>) -> Result<Payload> {
    Ok(if source.arbitrary()? { Payload::Binary(bytes(source, 60)?) } else { Payload::Text(text(source, 0, 60)?) })
}

/// Returns the request with fields in the order of JSON objects.
fn normal(mut request: Request) -> Request {
    let normal = |handshake: &mut Handshake| {
        handshake.headers = grouped(std::mem::take(&mut handshake.headers));
        handshake.query = grouped(std::mem::take(&mut handshake.query));
    };
    request.connection.context = last_values(request.connection.context);
    match &mut request.event {
        Event::Connect(handshake) => normal(handshake),
        Event::Authorize(authorization) => {
            normal(&mut authorization.handshake);
            authorization.stage_variables = last_values(std::mem::take(&mut authorization.stage_variables));
        }
        Event::Message(_) | Event::Disconnect(_) => {}
    }
    request
}

fn normal_reply(reply: Reply) -> Reply {
    Reply { headers: grouped(reply.headers), ..reply }
}

fn normal_decision(decision: Decision) -> Decision {
    match decision {
        Decision::Allow(identity) => Decision::Allow(Identity { context: last_values(identity.context), ..identity }),
        other => other,
    }
}
