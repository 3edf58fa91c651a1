//! DynamoDB and Parameter Store over HTTP.

use std::sync::Arc;

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use tidegate_lambda_emulator::Aws;

use crate::client::{Answer, Client};
use crate::signing::{REGION, credentials, headers};
use crate::soon;

const GET_PARAMETERS: &str = "AmazonSSM.GetParameters";
const GET_ITEM: &str = "DynamoDB_20120810.GetItem";

/// Replies with the operation and its request.
#[derive(Debug)]
struct Echo;

impl HttpConnector for Echo {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap();
        let body = std::str::from_utf8(request.body().bytes().unwrap()).unwrap();
        let status = if body == "fail" { 500 } else { 200 };
        let body = SdkBody::from(format!("{target} {body}"));
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status.try_into().unwrap(), body)))
    }
}

fn aws() -> Arc<Aws> {
    let aws = Aws::new(SharedHttpConnector::new(Echo), REGION, credentials("ASIAOWN", "secret"));
    aws.set_parameter("/tidegate/chat/dev/motd", "hello");
    Arc::new(aws)
}

/// Sends a request with the headers that `sign` returns for the address of the server.
async fn request(sign: impl FnOnce(&str) -> String, body: &str) -> Answer {
    let server = aws().serve().await.unwrap();
    let address = server.address().to_string();
    let mut client = Client::connect(&address).await;
    client.request("POST", "/", &sign(&address), body.as_bytes()).await
}

/// Sends a request that is signed with the credentials of the run.
async fn signed(target: &str, body: &str) -> Answer {
    request(|address| headers(&credentials("ASIAOWN", "secret"), address, target, body), body).await
}

#[tokio::test]
async fn requests_for_dynamodb_are_forwarded() {
    for (body, status) in [("{}", 200), ("fail", 500)] {
        let answer = signed(GET_ITEM, body).await;
        assert_eq!((answer.status, answer.body), (status, format!("DynamoDB_20120810.GetItem {body}")));
    }
}

#[tokio::test]
async fn unknown_parameters_are_listed_as_invalid() {
    let names = r#"{"Names":["/tidegate/chat/dev/motd","/tidegate/chat/dev/none"],"WithDecryption":true}"#;
    let answer = signed(GET_PARAMETERS, names).await;
    let answer: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(answer["Parameters"][0]["Name"], "/tidegate/chat/dev/motd");
    assert_eq!(answer["Parameters"][0]["Value"], "hello");
    assert_eq!(answer["InvalidParameters"], serde_json::json!(["/tidegate/chat/dev/none"]));
}

#[tokio::test]
async fn invalid_requests_are_refused_with_the_name_of_their_error() {
    let eleven = format!(r#"{{"Names":[{}]}}"#, [r#""n""#; 11].join(","));
    for (target, body, kind) in [
        (GET_PARAMETERS, "no JSON", "SerializationException"),
        (GET_PARAMETERS, "{}", "SerializationException"),
        (GET_PARAMETERS, r#"{"Names":[]}"#, "ValidationException"),
        (GET_PARAMETERS, eleven.as_str(), "ValidationException"),
        ("AmazonSSM.PutParameter", "{}", "UnknownOperationException"),
        ("", "{}", "UnknownOperationException"),
    ] {
        let answer = signed(target, body).await;
        assert_eq!(answer.status, 400);
        assert!(answer.body.contains(&format!(r#""__type":"{kind}""#)), "{answer:?}");
    }
}

#[tokio::test]
async fn requests_that_are_not_signed_by_the_function_are_refused() {
    let names = r#"{"Names":["/tidegate/chat/dev/motd"],"WithDecryption":true}"#;
    let own = || credentials("ASIAOWN", "secret");
    for target in [GET_PARAMETERS, GET_ITEM] {
        let unsigned = format!("x-amz-target: {target}\r\n");
        let named = format!(
            "{unsigned}x-amz-date: 20261128T180000Z\r\nx-amz-security-token: token\r\nAuthorization: \
             AWS4-HMAC-SHA256 Credential=ASIAOWN/20261128/eu-west-1/ssm/aws4_request, SignedHeaders=host;x-amz-date, \
             Signature=0\r\n"
        );
        let guess = |address: &str| headers(&credentials("ASIAOWN", "guess"), address, target, names);
        let other = |address: &str| headers(&credentials("ASIAOTHER", "secret"), address, target, names);
        let another_body = |address: &str| headers(&own(), address, target, "{}");
        for (answer, kind) in [
            (request(|_| unsigned, names).await, "MissingAuthenticationTokenException"),
            (request(|_| named, names).await, "InvalidSignatureException"),
            (request(guess, names).await, "InvalidSignatureException"),
            (request(other, names).await, "UnrecognizedClientException"),
            (request(another_body, names).await, "InvalidSignatureException"),
        ] {
            assert_eq!(answer.status, 400);
            assert!(answer.body.contains(&format!(r#""__type":"{kind}""#)), "{answer:?}");
            assert!(!answer.body.contains("hello"), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn closing_connections_affects_one_server_and_allows_new_ones() {
    let aws = aws();
    let ours = aws.serve().await.unwrap();
    let others = aws.serve().await.unwrap();
    let own = credentials("ASIAOWN", "secret");
    let (our_address, other_address) = (ours.address().to_string(), others.address().to_string());
    let mut client = Client::connect(&our_address).await;
    let mut other = Client::connect(&other_address).await;
    let our_headers = headers(&own, &our_address, GET_ITEM, "{}");
    let other_headers = headers(&own, &other_address, GET_ITEM, "{}");
    assert_eq!(client.request("POST", "/", &our_headers, b"{}").await.status, 200);
    assert_eq!(other.request("POST", "/", &other_headers, b"{}").await.status, 200);
    assert_eq!(soon(ours.close_connections()).await, 1);
    assert!(client.is_closed().await);
    assert_eq!(soon(ours.close_connections()).await, 0);
    assert_eq!(other.request("POST", "/", &other_headers, b"{}").await.status, 200);
    let mut client = Client::connect(&our_address).await;
    assert_eq!(client.request("POST", "/", &our_headers, b"{}").await.status, 200);
}
