//! Errors of invalid input name the JSON path and the expectation, and do not contain values.

// Clippy's exception for tests covers test functions, not their helpers.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use tidegate_event::{Event, decode_decision, decode_event, decode_function_error, decode_reply, decode_request};

const ARN: &str = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/dev/$connect";
const MESSAGE: &[u8] = include_bytes!("fixtures/message.json");
const CONNECT: &[u8] = include_bytes!("fixtures/connect-query-authorizer.json");
const DISCONNECT: &[u8] = include_bytes!("fixtures/disconnect-1001.json");
const AUTHORIZER: &[u8] = include_bytes!("fixtures/authorizer.json");
const POLICY: &[u8] = include_bytes!("fixtures/policy-allow.json");

/// Returns `base` with the member at `pointer` replaced, or removed if `value` is `None`.
fn altered(base: &[u8], pointer: &str, value: Option<Value>) -> Vec<u8> {
    let mut json: Value = serde_json::from_slice(base).unwrap();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let members = json.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match value {
        Some(value) => members.insert(name.to_owned(), value),
        None => members.remove(name),
    };
    serde_json::to_vec(&json).unwrap()
}

#[test]
fn errors_of_events_name_the_path() {
    for (pointer, value, problem) in [
        ("/requestContext", None, "`requestContext` is missing"),
        ("/requestContext/connectionId", None, "`requestContext.connectionId` is missing"),
        ("/requestContext/messageId", None, "`requestContext.messageId` is missing"),
        ("/requestContext/identity/sourceIp", None, "`requestContext.identity.sourceIp` is missing"),
        ("/requestContext", Some(json!("secret")), "`requestContext`: expected an object"),
        ("/requestContext/connectionId", Some(json!("")), "`requestContext.connectionId`: the connection id is empty"),
        (
            "/requestContext/connectionId",
            Some(json!("s".repeat(65))),
            "`requestContext.connectionId`: the connection id has 65 bytes, above its limit of 64",
        ),
        ("/requestContext/connectedAt", Some(json!("secret")), "`requestContext.connectedAt`: expected u64"),
        (
            "/requestContext/eventType",
            Some(json!("secret, expected nothing")),
            "`requestContext.eventType`: expected one of `CONNECT`, `MESSAGE`, `DISCONNECT`",
        ),
        ("/requestContext/routeKey", Some(json!({"secret": 1})), "`requestContext.routeKey`: expected a string"),
        (
            "/requestContext/messageId",
            Some(json!(["secret"])),
            "`requestContext.messageId`: expected text of an allowed length",
        ),
        ("/body", Some(json!({"secret": 1})), "`body`: expected a string"),
        ("/isBase64Encoded", Some(json!(true)), "`body`: expected base64, because `isBase64Encoded` is true"),
    ] {
        let error = decode_request(&altered(MESSAGE, pointer, value)).unwrap_err();
        assert_eq!(error.to_string(), problem, "{pointer}");
    }
    let authorizer = altered(AUTHORIZER, "/methodArn", None);
    assert_eq!(decode_request(&authorizer).unwrap_err().to_string(), "`methodArn` is missing");
    for kind in [json!("secret"), json!(5)] {
        let error = decode_request(&altered(CONNECT, "/type", Some(kind))).unwrap_err().to_string();
        assert_eq!(error, "`type`: expected `REQUEST` with a CONNECT event, or no type");
    }
    for (text, problem) in [
        (&b""[..], "not JSON at line 1, column 0"),
        (b"secret", "not JSON at line 1, column 1"),
        (b"{\n \"body\": \"\xff\"}", "not JSON at line 2, column 11"),
        (b"{}x", "`requestContext` is missing"),
        (b"[]", "`.`: expected an object"),
        (b"null", "`.`: expected an object"),
    ] {
        assert_eq!(decode_request(text).unwrap_err().to_string(), problem);
    }
}

#[test]
fn long_paths_are_shortened() {
    let text = json!({"statusCode": 200, "headers": {"é".repeat(5_000): []}}).to_string();
    let error = decode_reply(text.as_bytes()).unwrap_err().to_string();
    assert!(error.starts_with("`headers.éé") && error.contains("é…`") && error.len() < 300, "{error}");
}

#[test]
fn errors_of_replies_name_the_path() {
    for (text, problem) in [
        ("", "not JSON at line 1, column 0"),
        ("null", "`.`: expected an object"),
        (r#"[200, null, null, null, null]"#, "`.`: expected an object"),
        ("[", "not JSON at line 1, column 1"),
        (r#""text""#, "`.`: expected an object"),
        ("{}", "`statusCode` is missing"),
        (r#"{"message": "hi"}"#, "`statusCode` is missing"),
        (r#"{"statusCode": null}"#, "`statusCode`: expected a string, a number or a boolean"),
        (r#"{"statusCode": "ok"}"#, "`statusCode`: expected a status from 100 to 599"),
        (r#"{"statusCode": 99}"#, "`statusCode`: expected a status from 100 to 599"),
        (r#"{"statusCode": 600}"#, "`statusCode`: expected a status from 100 to 599"),
        (r#"{"statusCode": 200.5}"#, "`statusCode`: expected a status from 100 to 599"),
        (r#"{"statusCode": 200, "body": {"a": 1}}"#, "`body`: expected a string"),
        (r#"{"statusCode": 200, "body": 5}"#, "`body`: expected a string"),
        (
            r#"{"statusCode": 200, "body": "%", "isBase64Encoded": true}"#,
            "`body`: expected base64, because `isBase64Encoded` is true",
        ),
        (r#"{"statusCode": 200, "headers": []}"#, "`headers`: expected an object"),
        (r#"{"statusCode": 200, "multiValueHeaders": {"A": "x"}}"#, "`multiValueHeaders.A`: expected a sequence"),
    ] {
        assert_eq!(decode_reply(text.as_bytes()).unwrap_err().to_string(), problem, "{text}");
    }
}

#[test]
fn errors_of_policies_name_the_path() {
    let statement = |members: Value| Some(json!([members]));
    for (pointer, value, problem) in [
        ("/principalId", None, "`principalId` is missing"),
        ("/principalId", Some(json!(5)), "`principalId`: expected a string"),
        ("/principalId", Some(json!("")), "`principalId`: expected text that is not empty"),
        ("/policyDocument", None, "`policyDocument` is missing"),
        ("/policyDocument/Statement", None, "`policyDocument.Statement` is missing"),
        ("/policyDocument/Statement", Some(json!(5)), "`policyDocument.Statement`: expected one, or a list"),
        (
            "/policyDocument/Statement",
            statement(json!({"Effect": "Allow", "Resource": "*"})),
            "`policyDocument.Statement[0].Action` is missing",
        ),
        (
            "/policyDocument/Statement",
            statement(json!({"Effect": "Allow", "Action": "*"})),
            "`policyDocument.Statement[0].Resource` is missing",
        ),
        (
            "/policyDocument/Statement",
            statement(json!({"Effect": "allow", "Action": "*", "Resource": "*"})),
            "`policyDocument.Statement[0].Effect`: expected `Allow` or `Deny`",
        ),
        (
            "/policyDocument/Statement",
            statement(json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {}})),
            "`policyDocument.Statement[0].Condition`: is not evaluated here: expected `Action` and `Resource` alone",
        ),
        ("/context/level", Some(json!([])), "`context.level`: expected a string, a number or a boolean"),
        ("/context/level", Some(json!({})), "`context.level`: expected a string, a number or a boolean"),
        ("/context/level", Some(Value::Null), "`context.level`: expected a string, a number or a boolean"),
        (
            "/context/level",
            Some(json!("x".repeat(8_000))),
            "the authorizer's response has 8245 bytes, above its limit of 8192",
        ),
    ] {
        let error = decode_decision(&altered(POLICY, pointer, value), ARN).unwrap_err();
        assert_eq!(error.to_string(), problem, "{pointer}");
    }
}

#[test]
fn errors_of_function_errors_name_the_path() {
    assert_eq!(decode_function_error(b"{}").unwrap_err().to_string(), "`errorMessage` is missing");
}

/// Members that each kind of event may lack, as pointers.
const OPTIONAL: [&str; 13] = [
    "/headers",
    "/multiValueHeaders",
    "/queryStringParameters",
    "/multiValueQueryStringParameters",
    "/stageVariables",
    "/isBase64Encoded",
    "/requestContext/disconnectStatusCode",
    "/requestContext/disconnectReason",
    "/requestContext/extendedRequestId",
    "/requestContext/identity/userAgent",
    "/requestContext/authorizer",
    "/requestContext/authorizer/principalId",
    "/requestContext/authorizer/integrationLatency",
];

/// Values that fit no optional member, or not all of them.
fn odd_values() -> Vec<Value> {
    let mut deep = json!(1);
    for _ in 0..100 {
        deep = json!([deep]);
    }
    let too_long = json!("x".repeat(70_000));
    let odd = [json!(-1), json!(1.5), json!(65_536), json!(1e300), json!(true), json!("odd"), json!([]), json!([7])];
    odd.into_iter()
        .chain([json!({}), json!({"a": {"b": []}}), json!({"a": [{}]}), Value::Null, deep, too_long])
        .collect()
}

#[test]
fn one_odd_optional_member_does_not_lose_an_event() {
    for (name, event, others) in [
        ("CONNECT", CONNECT, &["/body", "/methodArn", "/requestContext/messageId"][..]),
        ("MESSAGE", MESSAGE, &["/type", "/methodArn"]),
        ("DISCONNECT", DISCONNECT, &["/body", "/type", "/methodArn", "/requestContext/messageId"]),
        ("AUTHORIZE", AUTHORIZER, &["/body", "/requestContext/messageId"]),
    ] {
        let plain = decode_request(event).unwrap();
        let json: Value = serde_json::from_slice(event).unwrap();
        for pointer in OPTIONAL.iter().chain(others).filter(|pointer| json.pointer(parent(pointer)).is_some()) {
            for odd in odd_values() {
                if *pointer == "/isBase64Encoded" && odd == json!(true) {
                    continue;
                }
                let decoded = decode_event(&altered(event, pointer, Some(odd.clone())));
                let request = decoded.unwrap_or_else(|error| panic!("{name} with {pointer} {odd}: {error}")).request;
                assert_eq!(request.connection.id, plain.connection.id, "{name} {pointer}");
                assert_eq!(
                    std::mem::discriminant(&request.event),
                    std::mem::discriminant(&plain.event),
                    "{name} {pointer}"
                );
            }
        }
    }
}

fn parent(pointer: &str) -> &str {
    pointer.rsplit_once('/').unwrap().0
}

#[test]
fn ignored_members_are_named_and_the_others_are_kept() {
    let decoded = decode_event(&altered(DISCONNECT, "/requestContext/disconnectStatusCode", Some(json!(-1)))).unwrap();
    assert_eq!(decoded.ignored, ["disconnectStatusCode"]);
    let Event::Disconnect(closing) = decoded.request.event else { panic!("not a DISCONNECT event") };
    assert_eq!((closing.code, closing.reason.as_str()), (1005, "Going away"));

    let headers = json!({"A": ["1", {"odd": 1}, 2], "B": "odd", "C": null, "D": ["3"]});
    let decoded = decode_event(&altered(CONNECT, "/multiValueHeaders", Some(headers))).unwrap();
    assert_eq!(decoded.ignored, ["multiValueHeaders", "multiValueHeaders"]);
    let Event::Connect(handshake) = decoded.request.event else { panic!("not a CONNECT event") };
    let expected = [("A", "1"), ("A", "2"), ("D", "3")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(handshake.headers, expected);

    let authorizer = json!({"principalId": {}, "integrationLatency": -3, "tenant": "blue", "odd": []});
    let decoded = decode_event(&altered(MESSAGE, "/requestContext/authorizer", Some(authorizer))).unwrap();
    assert_eq!(decoded.ignored, ["integrationLatency", "principalId"]);
    assert_eq!(decoded.request.connection.context, [("tenant".to_owned(), "blue".to_owned())]);
    assert_eq!((decoded.request.connection.principal, decoded.request.authorizer_latency), (None, None));
    assert!(decode_event(MESSAGE).unwrap().ignored.is_empty());
}

/// A number that no type holds, and text that is not Unicode, are odd values too.
#[test]
fn values_that_are_json_and_nothing_else_are_odd() {
    for odd in [r"1e999", r"-0.0e-999", r#""\ud800""#, r"123456789012345678901234567890"] {
        let marked = altered(DISCONNECT, "/requestContext/disconnectReason", Some(json!("MARK")));
        let text = String::from_utf8(marked).unwrap().replace(r#""MARK""#, odd);
        let decoded = decode_event(text.as_bytes()).unwrap_or_else(|error| panic!("{odd}: {error}"));
        assert_eq!(decoded.ignored, ["disconnectReason"], "{odd}");
    }
}
