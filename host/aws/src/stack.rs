//! The CloudFormation stack of a deployed stage, looked up from a developer's machine.
//!
//! Credentials and Region are the ones that the AWS CLI would use: from a profile (including SSO, assumed roles and
//! credential processes) or from the environment. `AWS_ENDPOINT_URL` and its per-service variants are honoured.
//!
//! - [`Stack::find`]: from an app and a stage to the store of its releases
//! - `query`: requests of the AWS Query protocol
//! - `failure`: the diagnostics of a lookup

mod failure;
mod query;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use aws_types::service_config::ServiceConfigKey;
use serde::Deserialize;
use tidegate_app::App;
use tidegate_diagnostic::Diagnostic;
use tidegate_ports::Deadline;

use crate::account::Account;
use crate::dynamodb::tables::ReleaseTables;
use crate::http::signer::domain;
use crate::http::transport::Transport;
use crate::releases::AwsStore;
use failure::Failures;
use query::QueryService;

/// The stack output with the name of the releases table.
const RELEASES_TABLE: &str = "ReleasesTable";
/// The stack output with the name of the release status table.
const RELEASE_STATUS_TABLE: &str = "ReleaseStatusTable";
/// The stack output with the name of the releases bucket.
const RELEASES_BUCKET: &str = "ReleasesBucket";

/// The stage to find, and the identity used to find it.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// The name of the app.
    pub app: &'a str,
    /// The name of the stage.
    pub stage: &'a str,
    /// A profile in the AWS configuration files. `None` uses the environment, which may name a profile.
    pub profile: Option<&'a str>,
    /// The Region. `None` uses the Region of the environment or of the profile.
    pub region: Option<&'a str>,
}

/// A deployed stage.
#[derive(Debug, Clone)]
pub struct Stack {
    /// The name of the stack.
    pub stack: String,
    /// The Region of the stack.
    pub region: String,
    /// The outputs of the stack, by name.
    pub outputs: BTreeMap<String, String>,
    /// The app that the stack was deployed with.
    pub app: App,
    /// The store of the stage's releases.
    pub store: AwsStore,
    /// The ARN of the caller's identity.
    pub who: String,
}

/// The part of a stack template that describes the app.
#[derive(Deserialize)]
struct Template {
    #[serde(rename = "Metadata")]
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(rename = "Tidegate")]
    tidegate: Option<Tidegate>,
}

#[derive(Deserialize)]
struct Tidegate {
    /// The app as ASCII JSON: CloudFormation replaces other characters of a template with question marks.
    #[serde(rename = "App")]
    app: String,
}

/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStacks.html>
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DescribeStacks {
    describe_stacks_result: Stacks,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Stacks {
    stacks: Members<DescribedStack>,
}

/// A list of the Query protocol.
#[derive(Deserialize)]
struct Members<T> {
    #[serde(default = "Vec::new")]
    member: Vec<T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DescribedStack {
    outputs: Option<Members<Output>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    output_key: String,
    output_value: String,
}

/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_GetTemplate.html>
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetTemplate {
    get_template_result: TemplateBody,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TemplateBody {
    #[serde(default)]
    template_body: String,
}

/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html>
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetCallerIdentity {
    get_caller_identity_result: Identity,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Identity {
    arn: String,
}

/// The parameters shared by the requests of one lookup.
struct Lookup<'a> {
    query: &'a Query<'a>,
    config: &'a SdkConfig,
    transport: &'a Transport,
    /// Sends the requests to CloudFormation and STS.
    connector: SharedHttpConnector,
    deadline: Deadline,
}

impl Stack {
    /// Finds the stack of a stage.
    ///
    /// # Errors
    /// A diagnostic with one of the codes `aws-…`: there are no credentials or no Region, the stack does not exist or
    /// has no releases, the credentials do not allow the lookup, or AWS does not respond before the deadline.
    pub async fn find(query: &Query<'_>, deadline: Deadline) -> Result<Self, Diagnostic> {
        let failures = Failures::of(query);
        let transport = Transport::new().map_err(|error| failures.no_transport(&error))?;
        let found = tokio::time::timeout(deadline.remaining(), async {
            let config = config(query, &transport, &failures).await?;
            let connector = transport.connector();
            Lookup { query, config: &config, transport: &transport, connector, deadline }.run(&failures).await
        });
        found.await.unwrap_or_else(|_| Err(failures.no_answer()))
    }
}

impl Lookup<'_> {
    async fn run(&self, failures: &Failures) -> Result<Stack, Diagnostic> {
        let region = self.config.region().ok_or_else(|| failures.no_region())?.as_ref();
        let failures = failures.in_region(region);
        let credentials = credentials(self.config, &failures).await?;
        let stack = stack_name(self.query);
        let cloud_formation = self.service("cloudformation", "CloudFormation", "2010-05-15", region, &credentials);
        let sts = self.service("sts", "STS", "2011-06-15", region, &credentials);
        let (outputs, app, who) = tokio::try_join!(
            outputs(&cloud_formation, &stack, &failures),
            app(&cloud_formation, &stack, &failures),
            caller(&sts, &failures),
        )?;
        let output = |name: &str| outputs.get(name).cloned().ok_or_else(|| failures.no_output(name));
        let tables = ReleaseTables { releases: output(RELEASES_TABLE)?, release_status: output(RELEASE_STATUS_TABLE)? };
        let bucket = output(RELEASES_BUCKET)?;
        let account = Account::with_credentials(self.transport.clone(), region, credentials);
        let dynamodb = endpoint(self.config, "DynamoDB");
        let s3 = endpoint(self.config, "S3");
        let store = account.releases(&tables, &bucket, dynamodb.as_deref(), s3.as_deref());
        Ok(Stack { stack, region: region.to_owned(), outputs, app, store, who })
    }

    /// Returns a client for a service. `name` is its signing name and `id` its service id.
    fn service(
        &self,
        name: &'static str,
        id: &str,
        version: &'static str,
        region: &str,
        credentials: &Credentials,
    ) -> QueryService {
        let url = endpoint(self.config, id).unwrap_or_else(|| format!("https://{name}.{region}.{}", domain(region)));
        QueryService::new(name, version, self.connector.clone(), credentials.clone(), region, &url, self.deadline)
    }
}

/// Returns the stack name of a stage.
fn stack_name(query: &Query<'_>) -> String {
    format!("tidegate-{}-{}", query.app, query.stage)
}

/// Loads the configuration that the AWS CLI would use.
async fn config(query: &Query<'_>, transport: &Transport, failures: &Failures) -> Result<SdkConfig, Diagnostic> {
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(transport.client());
    if let Some(profile) = query.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(region) = query.region {
        loader = loader.region(Region::new(region.to_owned()));
    }
    let config = loader.load().await;
    let Some(profile) = query.profile else { return Ok(config) };
    // A named profile takes precedence over credentials in the environment.
    let region = match config.region() {
        Some(region) => region.clone(),
        None => return Err(failures.no_region()),
    };
    let provider = ProviderConfig::without_region().with_http_client(transport.client()).with_region(Some(region));
    let provider = ProfileFileCredentialsProvider::builder().configure(&provider).profile_name(profile).build();
    Ok(config.to_builder().credentials_provider(SharedCredentialsProvider::new(provider)).build())
}

async fn credentials(config: &SdkConfig, failures: &Failures) -> Result<Credentials, Diagnostic> {
    let provider = config.credentials_provider().ok_or_else(|| failures.no_credentials("there is no provider"))?;
    provider.provide_credentials().await.map_err(|error| failures.no_credentials_because(&error))
}

/// Reads the outputs of a stack, by name.
async fn outputs(
    service: &QueryService,
    stack: &str,
    failures: &Failures,
) -> Result<BTreeMap<String, String>, Diagnostic> {
    let answer: Result<DescribeStacks, _> = service.call("DescribeStacks", &[("StackName", stack)]).await;
    let answer = answer.map_err(|error| failures.refused(&format!("read the stack `{stack}`"), error))?;
    let stacks = answer.describe_stacks_result.stacks.member;
    let outputs = stacks.into_iter().filter_map(|stack| stack.outputs).flat_map(|outputs| outputs.member);
    Ok(outputs.map(|output| (output.output_key, output.output_value)).collect())
}

/// Reads the app that a stack was deployed with.
async fn app(service: &QueryService, stack: &str, failures: &Failures) -> Result<App, Diagnostic> {
    let answer: Result<GetTemplate, _> = service.call("GetTemplate", &[("StackName", stack)]).await;
    let answer =
        answer.map_err(|error| failures.refused(&format!("read the template of the stack `{stack}`"), error))?;
    let template: Option<Template> = serde_json::from_str(&answer.get_template_result.template_body).ok();
    let app = template.and_then(|template| template.metadata?.tidegate).map(|tidegate| tidegate.app);
    let app = app.ok_or_else(|| failures.no_app("its template has no app"))?;
    App::from_json(Path::new("Metadata.Tidegate.App"), app.as_bytes())
        .map_err(|error| failures.no_app(&error.to_string()))
}

/// Reads the ARN of the caller's identity.
async fn caller(service: &QueryService, failures: &Failures) -> Result<String, Diagnostic> {
    let answer: Result<GetCallerIdentity, _> = service.call("GetCallerIdentity", &[]).await;
    let answer = answer.map_err(|error| failures.refused("read the caller's identity", error))?;
    Ok(answer.get_caller_identity_result.arn)
}

/// Returns the configured endpoint of a service, by the rules of the SDK's clients.
fn endpoint(config: &SdkConfig, service: &str) -> Option<String> {
    let key = ServiceConfigKey::builder().service_id(service).env("AWS_ENDPOINT_URL").profile("endpoint_url").build();
    let specific = key.ok().and_then(|key| config.service_config()?.load_config(key));
    specific.or_else(|| config.endpoint_url().map(str::to_owned))
}
