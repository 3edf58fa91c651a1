//! Configuration values from a fake Parameter Store and a fake Secrets Manager.

#![allow(clippy::panic, clippy::unwrap_used, reason = "these are tests")]

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};
use tidegate_aws::{ConfigSource, ConfigStore, Error};
use tidegate_ports::Deadline;

#[derive(Debug, Clone)]
enum Answer {
    /// The value of each name is the name reversed. Names that end in `missing` do not exist.
    Values,
    Status(u16, &'static str),
    Broken,
    Hang,
}

#[derive(Debug, Clone, Default)]
struct Store {
    answers: Arc<Mutex<Vec<Answer>>>,
    requests: Arc<Mutex<Vec<(String, Value)>>>,
}

impl HttpConnector for Store {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap();
        let service = match target {
            "AmazonSSM.GetParameters" => "ssm",
            "secretsmanager.GetSecretValue" => "secretsmanager",
            other => panic!("{other}"),
        };
        assert_eq!(request.headers().get("content-type"), Some("application/x-amz-json-1.1"));
        assert_eq!(request.headers().get("x-amz-security-token"), Some("token"));
        let signed = request.headers().get("authorization").unwrap();
        assert!(signed.contains(&format!("/eu-west-1/{service}/aws4_request")), "{signed}");
        assert!(signed.contains("x-amz-target"), "{signed}");
        let body: Value = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        self.requests.lock().unwrap().push((request.uri().to_owned(), body.clone()));
        let mut answers = self.answers.lock().unwrap();
        let answer = if answers.is_empty() { Answer::Values } else { answers.remove(0) };
        match answer {
            Answer::Values if service == "ssm" => HttpConnectorFuture::ready(respond(200, values(&body).to_string())),
            Answer::Values => HttpConnectorFuture::ready(secret(&body)),
            Answer::Status(status, body) => HttpConnectorFuture::ready(respond(status, body.to_owned())),
            Answer::Broken => HttpConnectorFuture::ready(Err(ConnectorError::io("broken".into()))),
            Answer::Hang => HttpConnectorFuture::new(std::future::pending()),
        }
    }
}

fn values(request: &Value) -> Value {
    assert_eq!(request["WithDecryption"], true);
    let names: Vec<&str> = request["Names"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    let (missing, found): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| name.ends_with("missing"));
    let value = |name: &&str| json!({ "Name": name, "Value": name.chars().rev().collect::<String>() });
    json!({ "Parameters": found.iter().map(value).collect::<Vec<_>>(), "InvalidParameters": missing })
}

fn secret(request: &Value) -> Result<HttpResponse, ConnectorError> {
    let name = request["SecretId"].as_str().unwrap();
    if name.ends_with("missing") {
        return respond(400, json!({ "__type": "ResourceNotFoundException", "Message": "no such secret" }).to_string());
    }
    if name.ends_with("binary") {
        return respond(200, json!({ "Name": name, "SecretBinary": "AAEC" }).to_string());
    }
    respond(200, json!({ "Name": name, "SecretString": name.chars().rev().collect::<String>() }).to_string())
}

fn respond(status: u16, body: String) -> Result<HttpResponse, ConnectorError> {
    Ok(HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body)))
}

impl Store {
    fn of(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self { answers: Arc::new(Mutex::new(answers.into_iter().collect())), requests: Arc::default() }
    }

    fn parameters(&self) -> ConfigStore {
        self.values(ConfigSource::ParameterStore)
    }

    fn secrets(&self) -> ConfigStore {
        self.values(ConfigSource::SecretsManager)
    }

    fn values(&self, source: ConfigSource) -> ConfigStore {
        let credentials =
            aws_credential_types::Credentials::new("AKIDEXAMPLE", "secret", Some("token".to_owned()), None, "test");
        let connector = SharedHttpConnector::new(self.clone());
        ConfigStore::new(source, connector, credentials, "eu-west-1", None, "/tidegate/chat/dev/")
    }

    fn sent(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

fn names(names: impl IntoIterator<Item = &'static str>) -> BTreeSet<String> {
    names.into_iter().map(str::to_owned).collect()
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(30))
}

#[tokio::test]
async fn parameters_are_returned_by_name_and_missing_ones_by_full_name() {
    let store = Store::default();
    let values = store.parameters().fetch(&names(["motd", "missing"]), soon()).await.unwrap();
    assert_eq!(values.found, [("motd".to_owned(), "dtom/ved/tahc/etagedit/".to_owned())].into());
    assert_eq!(values.missing, ["/tidegate/chat/dev/missing"]);
    assert!(!format!("{values:?}").contains("dtom"), "values may be secrets");
    let requests = store.requests.lock().unwrap();
    assert_eq!(requests[0].0, "https://ssm.eu-west-1.amazonaws.com");
}

#[tokio::test]
async fn a_request_has_at_most_ten_names() {
    let store = Store::default();
    let wanted: BTreeSet<String> = (0..25).map(|number| format!("name-{number}")).collect();
    let values = store.parameters().fetch(&wanted, soon()).await.unwrap();
    assert_eq!(values.found.len(), 25);
    let requests = store.requests.lock().unwrap();
    let counts: Vec<_> = requests.iter().map(|(_, body)| body["Names"].as_array().unwrap().len()).collect();
    assert_eq!(counts, [10, 10, 5]);
}

#[tokio::test]
async fn temporary_failures_are_retried() {
    for answer in [
        Answer::Status(400, r#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#),
        Answer::Status(500, r#"{"__type":"InternalServerError"}"#),
        Answer::Status(503, "<html>"),
        Answer::Status(200, "<html>"),
        Answer::Broken,
    ] {
        let store = Store::of([answer.clone(), answer]);
        assert_eq!(store.parameters().fetch(&names(["motd"]), soon()).await.unwrap().found.len(), 1);
        assert_eq!(store.sent(), 3);
    }
}

#[tokio::test]
async fn permanent_failures_are_not_retried() {
    for (body, reason) in [
        (r#"{"__type":"AccessDeniedException","Message":"not authorized"}"#, "AccessDeniedException: not authorized"),
        (r#"{"__type":"com.amazonaws.ssm#ValidationException","message":"bad"}"#, "ValidationException: bad"),
        ("<html>", "status 400"),
    ] {
        let store = Store::of([Answer::Status(400, body)]);
        let error = store.parameters().fetch(&names(["motd"]), soon()).await.unwrap_err();
        assert!(matches!(error, Error::Config { .. }));
        let expected = "cannot read the configuration values `/tidegate/chat/dev/motd` from Parameter Store: ";
        assert_eq!(error.to_string(), format!("{expected}{reason}"));
        assert_eq!(store.sent(), 1);
    }
}

#[tokio::test]
async fn a_fetch_without_an_answer_ends_at_the_deadline() {
    let store = Store::of([Answer::Hang]);
    let deadline = Deadline::after(Duration::from_millis(200));
    let error = store.parameters().fetch(&names(["motd"]), deadline).await.unwrap_err();
    assert!(error.to_string().ends_with("no answer in time"), "{error}");
}

#[tokio::test]
async fn a_fetch_of_zero_names_sends_nothing() {
    let store = Store::default();
    assert!(store.parameters().fetch(&BTreeSet::new(), soon()).await.unwrap().found.is_empty());
    assert_eq!(store.sent(), 0);
}

#[tokio::test]
async fn secrets_are_returned_by_name_and_missing_ones_by_full_name() {
    let store = Store::default();
    let values = store.secrets().fetch(&names(["missing", "motd", "token-key"]), soon()).await.unwrap();
    let found = [("motd", "dtom/ved/tahc/etagedit/"), ("token-key", "yek-nekot/ved/tahc/etagedit/")];
    assert_eq!(values.found, found.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    assert_eq!(values.missing, ["/tidegate/chat/dev/missing"]);
    let requests = store.requests.lock().unwrap();
    assert_eq!(requests.len(), 3, "each secret is one request");
    assert!(requests.iter().all(|(url, _)| url == "https://secretsmanager.eu-west-1.amazonaws.com"));
}

#[tokio::test]
async fn errors_name_the_secret_and_temporary_failures_are_retried() {
    let store = Store::default();
    let error = store.secrets().fetch(&names(["binary"]), soon()).await.unwrap_err();
    let start = "cannot read the configuration values `/tidegate/chat/dev/binary` from Secrets Manager: ";
    assert_eq!(error.to_string(), format!("{start}the secret is binary, not text"));

    let denied = r#"{"__type":"AccessDeniedException","Message":"not authorized"}"#;
    let store = Store::of([Answer::Status(400, denied)]);
    let error = store.secrets().fetch(&names(["motd"]), soon()).await.unwrap_err();
    assert!(error.to_string().ends_with("from Secrets Manager: AccessDeniedException: not authorized"), "{error}");

    let store = Store::of([Answer::Status(400, r#"{"__type":"ThrottlingException"}"#), Answer::Broken]);
    assert_eq!(store.secrets().fetch(&names(["motd"]), soon()).await.unwrap().found.len(), 1);
    assert_eq!(store.sent(), 3);
}
