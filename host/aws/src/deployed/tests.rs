use std::convert::Infallible;
use std::process::Command;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::*;

const ARN: &str = "arn:aws:sts::123456789012:assumed-role/deployer/ann";
const APP: &str = r#"{
    "name": "chat", "route-selection-expression": "$request.body.action", "components": ["chat"],
    "routes": {"$default": {"component": "chat"}}
}"#;

/// What AWS says to each question: a status and a body.
#[derive(Debug, Clone)]
struct Aws {
    stacks: (u16, String),
    template: (u16, String),
    identity: (u16, String),
    /// No answer at all, and why.
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

/// A template that says what was deployed.
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

impl HttpClient for Aws {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
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

fn config_of(aws: Aws) -> aws_types::sdk_config::Builder {
    let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .retry_config(aws_config::retry::RetryConfig::disabled())
        .http_client(aws)
}

async fn find(aws: Aws) -> Result<Deployed, Error> {
    find_in(&config_of(aws).build()).await
}

async fn find_in(config: &SdkConfig) -> Result<Deployed, Error> {
    Deployed::find_with(&QUERY, config, &Transport::new().unwrap(), &Failures::of(&QUERY)).await
}

#[tokio::test]
async fn a_stage_is_found_by_its_stack() {
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
async fn an_endpoint_elsewhere_is_that_of_the_store_too() {
    let config = config_of(Aws::default()).endpoint_url("http://127.0.0.1:1").build();
    let store = format!("{:?}", find_in(&config).await.unwrap().store);
    assert!(store.contains("http://127.0.0.1:1/b/"), "{store}");
}

#[tokio::test]
async fn what_is_not_found_is_told_with_what_to_do() {
    let deploy = "hint: `make deploy STAGE=dev`";
    let the_app = "cannot find the app that the stack `tidegate-chat-dev` was deployed with in `eu-west-1`: ";
    for (aws, said) in [
        (
            Aws { stacks: error(400, "ValidationError", "Stack with id x does not exist"), ..Aws::default() },
            format!(
                "cannot read the stack `tidegate-chat-dev` in `eu-west-1`: there is none; {deploy}, or name another \
                 `--region` or `--profile`"
            ),
        ),
        (
            Aws { stacks: stacks(&[(RELEASES_TABLE, "r")]), ..Aws::default() },
            format!(
                "cannot find the releases of the stack `tidegate-chat-dev` in `eu-west-1`: the stack has no output \
                 `ReleaseStatusTable`; {deploy}"
            ),
        ),
        (
            Aws { template: template(r#"{"Resources": {}}"#), ..Aws::default() },
            format!("{the_app}its template does not say which; {deploy}"),
        ),
        (
            Aws { template: template("Resources: {}"), ..Aws::default() },
            format!("{the_app}its template does not say which; {deploy}"),
        ),
        (
            Aws { template: deployed_with(r#"{"name": 1}"#), ..Aws::default() },
            format!("{the_app}Metadata.Tidegate.App:1: `name`: "),
        ),
        (
            Aws { template: error(403, "AccessDenied", "not for you"), ..Aws::default() },
            "cannot read the template of the stack `tidegate-chat-dev` in `eu-west-1`: AccessDenied: not for you; hint: \
             the stack's outputs `PublishPolicy` and `ActivatePolicy` name what allows it"
                .to_owned(),
        ),
        (
            Aws { identity: error(403, "ExpiredToken", "too late"), ..Aws::default() },
            "cannot ask whose credentials these are in `eu-west-1`: ExpiredToken: too late; hint: `aws sso login`".to_owned(),
        ),
        (Aws { broken: true, ..Aws::default() }, "the cable is cut; hint: is there a network?".to_owned()),
        (
            Aws { stacks: (200, "<html>".to_owned()), ..Aws::default() },
            "the answer makes no sense: status 200; hint: is something else answering in AWS's place?".to_owned(),
        ),
    ] {
        let error = find(aws).await.unwrap_err().to_string();
        assert!(error.contains(&said), "{error}\n{said}");
    }
}

#[tokio::test]
async fn without_a_region_or_credentials_there_is_nobody_to_ask() {
    let error = find_in(&SdkConfig::builder().build()).await.unwrap_err().to_string();
    let expected =
        "cannot read the stack `tidegate-chat-dev` with what the environment says: no Region is known; hint: ";
    assert!(error.starts_with(expected), "{error}");
    let error = find_in(&SdkConfig::builder().region(Region::new("eu-west-1")).build()).await.unwrap_err().to_string();
    assert!(error.contains("in `eu-west-1`: there are no credentials: "), "{error}");
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

/// Set in the process that the tests below start, which reads its environment as the command line does.
const CHILD: &str = "TIDEGATE_TEST_PROFILE";

/// Runs the test `name` again in a process with this environment, whose profile is that of the variable [`CHILD`].
async fn in_a_process(name: &str, profile: &str, variables: &[(&str, &str)]) -> String {
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

/// Answers as AWS does to whom has the key of the profile `work`.
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
async fn a_profile_and_endpoints_are_those_of_the_environment() {
    if let Ok(profile) = std::env::var(CHILD) {
        let profile = Some(profile.as_str()).filter(|profile| !profile.is_empty());
        let found = Deployed::find(&Query { profile, ..QUERY }, Deadline::after(Duration::from_secs(20))).await;
        return match found {
            Ok(found) => println!("found in {} by {}: {:?}", found.region, found.who, found.store),
            Err(error) => println!("{error}"),
        };
    }
    let name = "deployed::tests::a_profile_and_endpoints_are_those_of_the_environment";
    let others = [("AWS_ACCESS_KEY_ID", "AKIDOTHER"), ("AWS_SECRET_ACCESS_KEY", "secret")];
    let said = in_a_process(name, "work", &others).await;
    assert!(said.contains(&format!("found in eu-north-1 by {ARN}")), "{said}");
    assert!(said.contains("/s3/b/"), "{said}");
    let said = in_a_process(name, "", &[("AWS_PROFILE", "work")]).await;
    assert!(said.contains(&format!("found in eu-north-1 by {ARN}")), "{said}");
    let said = in_a_process(name, "", &[&others[..], &[("AWS_REGION", "eu-west-1")]].concat()).await;
    assert!(said.contains("in `eu-west-1`: InvalidClientTokenId: who?; hint: `aws sso login`"), "{said}");
    for (profile, expected) in [
        ("play", "in `eu-west-1` with the profile `play`: there are no credentials: profile `play` was not defined"),
        ("play", "hint: `aws sso login --profile play`"),
        ("sso", "failed to load the cached SSO token; hint: `aws sso login --profile sso`"),
        ("", "there are no credentials: neither the environment nor a profile has any; hint: "),
    ] {
        let said = in_a_process(name, profile, &[("AWS_REGION", "eu-west-1")]).await;
        assert!(said.contains(expected), "{said}");
    }
}
