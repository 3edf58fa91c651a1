//! DynamoDB and Parameter Store over HTTP.

use std::sync::Arc;

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use tidegate_lambda_emulator::Aws;

use crate::client::{Answer, Client};
use crate::soon;

const SIGNED: &str = "Authorization: AWS4-HMAC-SHA256 Credential=AKIAOWN/20261124/eu-west-1/ssm/aws4_request\r\n";
const GET_PARAMETERS: &str = "x-amz-target: AmazonSSM.GetParameters\r\n";

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
    let aws = Aws::new(SharedHttpConnector::new(Echo), "AKIAOWN");
    aws.set_parameter("/tidegate/chat/dev/motd", "hello");
    Arc::new(aws)
}

async fn request(headers: &str, body: &str) -> Answer {
    let server = aws().serve().await.unwrap();
    let mut client = Client::connect(server.address()).await;
    client.request("POST", "/", headers, body.as_bytes()).await
}

#[tokio::test]
async fn requests_for_dynamodb_are_forwarded() {
    let headers = format!("{SIGNED}x-amz-target: DynamoDB_20120810.GetItem\r\n");
    for (body, status) in [("{}", 200), ("fail", 500)] {
        let answer = request(&headers, body).await;
        assert_eq!((answer.status, answer.body), (status, format!("DynamoDB_20120810.GetItem {body}")));
    }
}

#[tokio::test]
async fn unknown_parameters_are_listed_as_invalid() {
    let names = r#"{"Names":["/tidegate/chat/dev/motd","/tidegate/chat/dev/none"],"WithDecryption":true}"#;
    let answer = request(&format!("{SIGNED}{GET_PARAMETERS}"), names).await;
    let answer: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(answer["Parameters"][0]["Name"], "/tidegate/chat/dev/motd");
    assert_eq!(answer["Parameters"][0]["Value"], "hello");
    assert_eq!(answer["InvalidParameters"], serde_json::json!(["/tidegate/chat/dev/none"]));
}

#[tokio::test]
async fn invalid_requests_are_refused_with_the_name_of_their_error() {
    let eleven = format!(r#"{{"Names":[{}]}}"#, [r#""n""#; 11].join(","));
    let others = SIGNED.replace("AKIAOWN", "AKIAOTHER");
    for (headers, body, kind) in [
        (GET_PARAMETERS.to_owned(), "{}", "MissingAuthenticationTokenException"),
        (format!("{others}{GET_PARAMETERS}"), "{}", "UnrecognizedClientException"),
        (format!("{SIGNED}{GET_PARAMETERS}"), "no JSON", "SerializationException"),
        (format!("{SIGNED}{GET_PARAMETERS}"), "{}", "SerializationException"),
        (format!("{SIGNED}{GET_PARAMETERS}"), r#"{"Names":[]}"#, "ValidationException"),
        (format!("{SIGNED}{GET_PARAMETERS}"), eleven.as_str(), "ValidationException"),
        (format!("{SIGNED}x-amz-target: AmazonSSM.PutParameter\r\n"), "{}", "UnknownOperationException"),
        (SIGNED.to_owned(), "{}", "UnknownOperationException"),
    ] {
        let answer = request(&headers, body).await;
        assert_eq!(answer.status, 400);
        assert!(answer.body.contains(&format!(r#""__type":"{kind}""#)), "{answer:?}");
    }
}

#[tokio::test]
async fn closing_connections_affects_one_server_and_allows_new_ones() {
    let aws = aws();
    let ours = aws.serve().await.unwrap();
    let others = aws.serve().await.unwrap();
    let headers = format!("{SIGNED}x-amz-target: DynamoDB_20120810.GetItem\r\n");
    let mut client = Client::connect(ours.address()).await;
    let mut other = Client::connect(others.address()).await;
    for client in [&mut client, &mut other] {
        assert_eq!(client.request("POST", "/", &headers, b"{}").await.status, 200);
    }
    assert_eq!(soon(ours.close_connections()).await, 1);
    assert!(client.is_closed().await);
    assert_eq!(soon(ours.close_connections()).await, 0);
    assert_eq!(other.request("POST", "/", &headers, b"{}").await.status, 200);
    let mut client = Client::connect(ours.address()).await;
    assert_eq!(client.request("POST", "/", &headers, b"{}").await.status, 200);
}
