use std::convert::Infallible;
use std::process::Command;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use tidegate_diagnostic::Code;

use super::*;

const ARN: &str = "arn:aws:sts::123456789012:assumed-role/deployer/ann";
const APP: &str = r#"{
    "name": "chat", "route-selection-expression": "$request.body.action", "components": ["chat"],
    "routes": {"$default": {"component": "chat"}}
}"#;

/// The responses of a fake AWS: a status and a body for each request.
#[derive(Debug, Clone)]
struct Aws {
    stacks: (u16, String),
    template: (u16, String),
    identity: (u16, String),
    /// True if no request gets a response.
    broken: bool,
}

impl Default for Aws {
    fn default() -> Self {
        Self {
            stacks: stacks(&[(RELEASES_TABLE, "r"), (RELEASE_STATUS_TABLE, "s"), (RELEASES_BUCKET, "b"), ("Url", "u")]),
            template: deployed_with(APP),
            identity: (
                200,
                format!(
                    "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
                     <GetCallerIdentityResult><Arn>{ARN}</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>"
                ),
            ),
            broken: false,
        }
    }
}

/// Returns a template with the metadata of a deployed app.
fn deployed_with(app: &str) -> (u16, String) {
    template(&serde_json::json!({ "Metadata": { "Tidegate": { "App": app } }, "Resources": {} }).to_string())
}

impl Aws {
    fn answer(&self, body: &[u8]) -> (u16, String) {
        let body = String::from_utf8_lossy(body);
        let about = |action: &str| body.contains(&format!("Action={action}&"));
        assert!(about("GetCallerIdentity") || body.contains("StackName=tidegate-chat-dev"), "{body}");
        match () {
            () if about("DescribeStacks") => self.stacks.clone(),
            () if about("GetTemplate") => self.template.clone(),
            () if about("GetCallerIdentity") => self.identity.clone(),
            () => panic!("{body}"),
        }
    }
}

impl HttpConnector for Aws {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        if self.broken {
            return HttpConnectorFuture::ready(Err(ConnectorError::io("the cable is cut".into())));
        }
        let (status, body) = self.answer(request.body().bytes().unwrap());
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body))))
    }
}

fn stacks(outputs: &[(&str, &str)]) -> (u16, String) {
    let outputs = outputs
        .iter()
        .map(|(key, value)| format!("<member><OutputKey>{key}</OutputKey><OutputValue>{value}</OutputValue></member>"));
    let xml = format!(
        "<DescribeStacksResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\"><DescribeStacksResult>\
         <Stacks><member><StackName>tidegate-chat-dev</StackName><CreationTime>2026-01-01T00:00:00Z</CreationTime>\
         <StackStatus>CREATE_COMPLETE</StackStatus><Outputs>{}</Outputs></member></Stacks></DescribeStacksResult>\
         </DescribeStacksResponse>",
        outputs.collect::<String>(),
    );
    (200, xml)
}

fn template(text: &str) -> (u16, String) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    let xml = format!(
        "<GetTemplateResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\"><GetTemplateResult>\
         <TemplateBody>{text}</TemplateBody></GetTemplateResult></GetTemplateResponse>"
    );
    (200, xml)
}

fn error(status: u16, code: &str, message: &str) -> (u16, String) {
    let xml = format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    );
    (status, xml)
}

const QUERY: Query<'static> = Query { app: "chat", stage: "dev", profile: None, region: None };

fn config() -> aws_types::sdk_config::Builder {
    let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
}

async fn find(aws: Aws) -> Result<Stack, Diagnostic> {
    find_in(aws, &config().build()).await
}

async fn find_in(aws: Aws, config: &SdkConfig) -> Result<Stack, Diagnostic> {
    let connector = SharedHttpConnector::new(aws);
    let deadline = Deadline::after(Duration::from_secs(20));
    let transport = Transport::new().unwrap();
    Lookup { query: &QUERY, config, transport: &transport, connector, deadline }.run(&Failures::of(&QUERY)).await
}

#[tokio::test]
async fn stages_are_found_by_their_stack() {
    let deployed = find(Aws::default()).await.unwrap();
    assert_eq!((deployed.stack.as_str(), deployed.region.as_str()), ("tidegate-chat-dev", "eu-west-1"));
    assert_eq!(deployed.outputs["Url"], "u");
    assert_eq!(deployed.app.name, "chat");
    assert_eq!(deployed.who, ARN);
    let store = format!("{:?}", deployed.store);
    assert!(store.contains("https://b.s3.eu-west-1.amazonaws.com/"), "{store}");
    assert!(!store.contains("\"secret\""), "{store}");
}

#[tokio::test]
async fn a_configured_endpoint_applies_to_the_store() {
    let config = config().endpoint_url("http://127.0.0.1:1").build();
    let store = format!("{:?}", find_in(Aws::default(), &config).await.unwrap().store);
    assert!(store.contains("http://127.0.0.1:1/b/"), "{store}");
}

#[tokio::test]
async fn failures_have_codes_and_hints() {
    let deploy = "`make deploy STAGE=dev`";
    for (aws, code, why, hint) in [
        (
            Aws { stacks: error(400, "ValidationError", "Stack with id x does not exist"), ..Aws::default() },
            Code::AwsStackNotFound,
            "the stack does not exist",
            deploy,
        ),
        (
            Aws { stacks: stacks(&[(RELEASES_TABLE, "r")]), ..Aws::default() },
            Code::AwsStackOutdated,
            "`ReleaseStatusTable`",
            deploy,
        ),
        (Aws { template: template(r#"{"Resources": {}}"#), ..Aws::default() }, Code::AwsStackOutdated, "", deploy),
        (Aws { template: template("Resources: {}"), ..Aws::default() }, Code::AwsStackOutdated, "", deploy),
        (
            Aws { template: deployed_with(r#"{"name": 1}"#), ..Aws::default() },
            Code::AwsStackOutdated,
            "Metadata.Tidegate.App:1",
            deploy,
        ),
        (
            Aws { template: error(403, "AccessDenied", "not for you"), ..Aws::default() },
            Code::AwsAccessDenied,
            "AccessDenied: not for you",
            "`PublishPolicy`",
        ),
        (
            Aws { identity: error(403, "ExpiredToken", "too late"), ..Aws::default() },
            Code::AwsCredentialsExpired,
            "ExpiredToken: too late",
            "`aws sso login`",
        ),
        (Aws { broken: true, ..Aws::default() }, Code::AwsUnreachable, "the cable is cut", "network"),
        (Aws { stacks: (200, "<html>".to_owned()), ..Aws::default() }, Code::AwsAnswerInvalid, "status 200", "proxy"),
        (
            Aws { stacks: error(503, "ServiceUnavailable", "later"), ..Aws::default() },
            Code::AwsRefused,
            "ServiceUnavailable: later",
            "--region",
        ),
    ] {
        let error = find(aws).await.unwrap_err();
        assert_eq!(error.code, code, "{error}");
        assert!(error.what.contains("`tidegate-chat-dev`") || error.what.contains("identity"), "{error}");
        assert!(error.what.ends_with(" in `eu-west-1`"), "{error}");
        assert!(error.why.contains(why), "{error}");
        assert!(error.hint.as_ref().is_some_and(|text| text.contains(hint)), "{}", error.report());
    }
}

#[tokio::test]
async fn a_region_and_credentials_are_required() {
    let error = find_in(Aws::default(), &SdkConfig::builder().build()).await.unwrap_err();
    assert_eq!(error.code, Code::AwsRegionMissing, "{error}");
    let config = SdkConfig::builder().region(Region::new("eu-west-1")).build();
    let error = find_in(Aws::default(), &config).await.unwrap_err();
    assert_eq!(error.code, Code::AwsCredentialsMissing, "{error}");
    assert!(error.what.contains("in `eu-west-1`"), "{error}");
}

const PROFILES: &str = "\
[profile work]
region = eu-north-1
aws_access_key_id = AKIDWORK
aws_secret_access_key = secret
[profile sso]
region = eu-north-1
sso_session = company
sso_account_id = 123456789012
sso_role_name = Deployer
[sso-session company]
sso_region = eu-north-1
sso_start_url = https://example.awsapps.com/start
";

/// Set in the child process of the test below. The child process reads its environment as the command line does.
const CHILD: &str = "TIDEGATE_TEST_PROFILE";

/// Runs the test `name` in a child process with these environment variables. [`CHILD`] holds the name of the profile.
async fn in_child_process(name: &str, profile: &str, variables: &[(&str, &str)]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(serve(listener));
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("config"), PROFILES).unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture"]).env_clear().env("HOME", home.path()).env(CHILD, profile);
    command.env("AWS_CONFIG_FILE", home.path().join("config")).env("AWS_EC2_METADATA_DISABLED", "true");
    command.env("AWS_ENDPOINT_URL", &url).env("AWS_ENDPOINT_URL_S3", format!("{url}/s3"));
    command.envs(variables.iter().copied());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    serving.abort();
    String::from_utf8(output.stdout).unwrap()
}

async fn serve(listener: TcpListener) {
    while let Ok((socket, _)) = listener.accept().await {
        let serving =
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service_fn(answer));
        tokio::spawn(serving);
    }
}

/// Responds as AWS does, but only to requests signed with the key of the profile `work`.
async fn answer(request: http::Request<Incoming>) -> Result<http::Response<Full<Bytes>>, Infallible> {
    let signed = request.headers()["authorization"].to_str().unwrap().to_owned();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let (status, body) = match signed.contains("AKIDWORK/") {
        true => Aws::default().answer(&body),
        false => error(403, "InvalidClientTokenId", "who?"),
    };
    Ok(http::Response::builder().status(status).body(Full::new(Bytes::from(body))).unwrap())
}

#[tokio::test]
async fn profiles_and_endpoints_come_from_the_environment() {
    if let Ok(profile) = std::env::var(CHILD) {
        let profile = Some(profile.as_str()).filter(|profile| !profile.is_empty());
        let found = Stack::find(&Query { profile, ..QUERY }, Deadline::after(Duration::from_secs(20))).await;
        return match found {
            Ok(found) => println!("found in {} by {}: {:?}", found.region, found.who, found.store),
            Err(error) => println!("{}", error.report()),
        };
    }
    let name = "stack::tests::profiles_and_endpoints_come_from_the_environment";
    let others = [("AWS_ACCESS_KEY_ID", "AKIDOTHER"), ("AWS_SECRET_ACCESS_KEY", "secret")];
    let output = in_child_process(name, "work", &others).await;
    assert!(output.contains(&format!("found in eu-north-1 by {ARN}")), "{output}");
    assert!(output.contains("/s3/b/"), "{output}");
    let output = in_child_process(name, "", &[("AWS_PROFILE", "work")]).await;
    assert!(output.contains(&format!("found in eu-north-1 by {ARN}")), "{output}");
    let output = in_child_process(name, "", &[&others[..], &[("AWS_REGION", "eu-west-1")]].concat()).await;
    assert!(output.contains("error[aws-credentials-expired]: "), "{output}");
    assert!(output.contains("in `eu-west-1`: InvalidClientTokenId: who?\nhint: run `aws sso login`"), "{output}");
    for (profile, expected) in [
        ("play", "in `eu-west-1` with the profile `play`: there are no credentials: profile `play` was not defined"),
        ("play", "hint: run `aws sso login --profile play`"),
        ("sso", "failed to load the cached SSO token\nhint: run `aws sso login --profile sso`"),
        ("", "there are no credentials: neither the environment nor a profile has any\nhint: "),
    ] {
        let output = in_child_process(name, profile, &[("AWS_REGION", "eu-west-1")]).await;
        assert!(output.contains(expected), "{output}");
    }
}
