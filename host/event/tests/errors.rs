//! Errors of invalid input name the JSON path and the expectation, and do not contain values.

// Clippy's exception for tests covers test functions, not their helpers.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use tidegate_event::{decode_decision, decode_function_error, decode_reply, decode_request};

const ARN: &str = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/dev/$connect";
const MESSAGE: &[u8] = include_bytes!("fixtures/message.json");
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
        ("/requestContext/authorizer", Some(json!("secret")), "`requestContext.authorizer`: expected an object"),
        (
            "/requestContext/authorizer",
            Some(json!({"integrationLatency": "secret"})),
            "`requestContext.authorizer.integrationLatency`: expected u64",
        ),
        ("/body", Some(json!({"secret": 1})), "`body`: expected a string"),
        ("/isBase64Encoded", Some(json!("secret")), "`isBase64Encoded`: expected a boolean"),
        ("/isBase64Encoded", Some(json!(true)), "`body`: expected base64, because `isBase64Encoded` is true"),
        ("/headers", Some(json!({"A": ["secret"]})), "`headers.A`: expected a string, a number or a boolean"),
        ("/type", Some(json!("secret")), "`type`: expected `REQUEST` with a CONNECT event, or no type"),
    ] {
        let error = decode_request(&altered(MESSAGE, pointer, value)).unwrap_err();
        assert_eq!(error.to_string(), problem, "{pointer}");
    }
    let authorizer = altered(include_bytes!("fixtures/authorizer.json"), "/methodArn", None);
    assert_eq!(decode_request(&authorizer).unwrap_err().to_string(), "`methodArn` is missing");
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
    let text = json!({"headers": {"é".repeat(5_000): []}}).to_string();
    let error = decode_request(text.as_bytes()).unwrap_err().to_string();
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
