//! A stage that was deployed, as who works with it from elsewhere finds it: by its stack.
//!
//! The credentials and the Region are those that AWS's own command line would use: of a profile (SSO, roles and processes
//! included), or of the environment. `AWS_ENDPOINT_URL` and its kin are honoured. Requests go over this crate's transport.
//!
//! - [`Deployed::find`]: from an app and a stage to where its releases are
//! - `failure`: what went wrong, and what to do

mod failure;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_types::service_config::ServiceConfigKey;
use serde::Deserialize;
use tidegate_app::App;
use tidegate_ports::Deadline;

use crate::account::Account;
use crate::error::Error;
use crate::releases::AwsStore;
use crate::tables::ReleaseTables;
use crate::transport::Transport;
use failure::Failures;

/// The stack's output with the name of the table of the pointer.
const RELEASES_TABLE: &str = "ReleasesTable";
/// The stack's output with the name of the table of what hosts report.
const RELEASE_STATUS_TABLE: &str = "ReleaseStatusTable";
/// The stack's output with the name of the bucket.
const RELEASES_BUCKET: &str = "ReleasesBucket";

/// Which stage, and as whom it is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// The app's name.
    pub app: &'a str,
    /// The stage's name.
    pub stage: &'a str,
    /// A profile of AWS's configuration files. None is what the environment says, which may name one.
    pub profile: Option<&'a str>,
    /// The Region. None is what the environment or the profile says.
    pub region: Option<&'a str>,
}

/// A stage that was deployed.
#[derive(Debug, Clone)]
pub struct Deployed {
    /// The name of its stack.
    pub stack: String,
    /// The Region that it is in.
    pub region: String,
    /// The outputs of its stack, by name.
    pub outputs: BTreeMap<String, String>,
    /// The app that it was deployed with.
    pub app: App,
    /// Its releases.
    pub store: AwsStore,
    /// The ARN of whose credentials these are.
    pub who: String,
}

/// The part of a stack's template that says what was deployed.
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
    /// JSON as text, in ASCII: CloudFormation gives other characters back as question marks.
    #[serde(rename = "App")]
    app: String,
}

impl Deployed {
    /// Finds a stage.
    ///
    /// # Errors
    /// [`Error::Deployed`] when there are no credentials or no Region, there is no such stack, it was deployed before there
    /// were releases, the credentials may not see it, or AWS does not answer in time.
    pub async fn find(query: &Query<'_>, deadline: Deadline) -> Result<Self, Error> {
        let transport = Transport::new()?;
        let failures = Failures::of(query);
        let found = tokio::time::timeout(deadline.remaining(), async {
            let config = config(query, &transport, &failures).await?;
            Self::find_with(query, &config, &transport, &failures).await
        });
        found.await.unwrap_or_else(|_| Err(failures.no_answer()))
    }

    async fn find_with(
        query: &Query<'_>,
        config: &SdkConfig,
        transport: &Transport,
        failures: &Failures,
    ) -> Result<Self, Error> {
        let region = config.region().ok_or_else(|| failures.no_region())?.as_ref();
        let failures = failures.in_region(region);
        let credentials = credentials(config, &failures).await?;
        let stack = stack_name(query);
        let cloud_formation = aws_sdk_cloudformation::Client::new(config);
        let (outputs, app, who) = tokio::try_join!(
            outputs(&cloud_formation, &stack, &failures),
            app(&cloud_formation, &stack, &failures),
            who(config, &failures),
        )?;
        let output = |name: &str| outputs.get(name).cloned().ok_or_else(|| failures.no_output(name));
        let tables = ReleaseTables { releases: output(RELEASES_TABLE)?, release_status: output(RELEASE_STATUS_TABLE)? };
        let bucket = output(RELEASES_BUCKET)?;
        let account = Account::of(transport.clone(), region, credentials);
        let (dynamodb, s3) = (endpoint(config, "DynamoDB"), endpoint(config, "S3"));
        let store = account.releases(&tables, &bucket, dynamodb.as_deref(), s3.as_deref());
        Ok(Self { stack, region: region.to_owned(), outputs, app, store, who })
    }
}

/// The name of the stack of a stage.
fn stack_name(query: &Query<'_>) -> String {
    format!("tidegate-{}-{}", query.app, query.stage)
}

/// What AWS's own command line would use.
async fn config(query: &Query<'_>, transport: &Transport, failures: &Failures) -> Result<SdkConfig, Error> {
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(transport.client());
    if let Some(profile) = query.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(region) = query.region {
        loader = loader.region(Region::new(region.to_owned()));
    }
    let config = loader.load().await;
    let Some(profile) = query.profile else { return Ok(config) };
    // Whoever names a profile wants it, whatever credentials the environment has besides.
    let region = match config.region() {
        Some(region) => region.clone(),
        None => return Err(failures.no_region()),
    };
    let provider = ProviderConfig::without_region().with_http_client(transport.client()).with_region(Some(region));
    let provider = ProfileFileCredentialsProvider::builder().configure(&provider).profile_name(profile).build();
    Ok(config.to_builder().credentials_provider(SharedCredentialsProvider::new(provider)).build())
}

async fn credentials(config: &SdkConfig, failures: &Failures) -> Result<Credentials, Error> {
    let provider = config.credentials_provider().ok_or_else(|| failures.no_credentials("there is no provider"))?;
    provider.provide_credentials().await.map_err(|error| failures.no_credentials_because(&error))
}

/// The outputs of a stack, by name.
async fn outputs(
    client: &aws_sdk_cloudformation::Client,
    stack: &str,
    failures: &Failures,
) -> Result<BTreeMap<String, String>, Error> {
    let answer = client.describe_stacks().stack_name(stack).send().await;
    let answer = answer.map_err(|error| failures.refused(&format!("read the stack `{stack}`"), &error))?;
    let outputs = answer.stacks.into_iter().flatten().flat_map(|stack| stack.outputs.unwrap_or_default());
    Ok(outputs.filter_map(|output| Some((output.output_key?, output.output_value?))).collect())
}

/// The app that a stack was deployed with.
async fn app(client: &aws_sdk_cloudformation::Client, stack: &str, failures: &Failures) -> Result<App, Error> {
    let answer = client.get_template().stack_name(stack).send().await;
    let answer =
        answer.map_err(|error| failures.refused(&format!("read the template of the stack `{stack}`"), &error))?;
    let template: Option<Template> = serde_json::from_str(&answer.template_body.unwrap_or_default()).ok();
    let app = template.and_then(|template| template.metadata?.tidegate).map(|tidegate| tidegate.app);
    let app = app.ok_or_else(|| failures.no_app("its template does not say which"))?;
    App::from_json(Path::new("Metadata.Tidegate.App"), app.as_bytes())
        .map_err(|error| failures.no_app(&error.to_string()))
}

/// Whose credentials these are.
async fn who(config: &SdkConfig, failures: &Failures) -> Result<String, Error> {
    let answer = aws_sdk_sts::Client::new(config).get_caller_identity().send().await;
    let answer = answer.map_err(|error| failures.refused("ask whose credentials these are", &error))?;
    answer.arn.ok_or_else(|| failures.no_credentials("nobody has them"))
}

/// Where a service is, when it is elsewhere: what the SDK's own clients look up.
fn endpoint(config: &SdkConfig, service: &str) -> Option<String> {
    let key = ServiceConfigKey::builder().service_id(service).env("AWS_ENDPOINT_URL").profile("endpoint_url").build();
    let own = key.ok().and_then(|key| config.service_config()?.load_config(key));
    own.or_else(|| config.endpoint_url().map(str::to_owned))
}
