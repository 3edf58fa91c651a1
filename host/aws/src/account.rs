//! The clients of one AWS account.

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::config::{BehaviorVersion, IdentityCache, Region};
use aws_smithy_async::rt::sleep::TokioSleep;

use crate::apigateway;
use crate::apigateway::ConnectionsMessaging;
use crate::config::{ConfigSource, ConfigStore};
use crate::dynamodb::client;
use crate::dynamodb::tables::ReleaseTables;
use crate::http::clock::ServiceClock;
use crate::http::transport::Transport;
use crate::releases::AwsStore;
use crate::s3::Bucket;

/// Credentials, a Region and a transport, from which the clients of the services are created. The clients share
/// connections.
///
/// An account does not search files or services for credentials: the search would take up most of a cold start, and
/// Lambda provides the credentials of the function's role in the environment.
#[derive(Debug, Clone)]
pub struct Account {
    transport: Transport,
    region: String,
    credentials: Credentials,
}

impl Account {
    /// Creates an account from an access key. Temporary credentials include a `session_token`.
    #[must_use]
    pub fn new(
        transport: Transport,
        region: &str,
        access_key_id: &str,
        secret_access_key: &str,
        session_token: Option<&str>,
    ) -> Self {
        let token = session_token.map(str::to_owned);
        Self::with_credentials(
            transport,
            region,
            Credentials::new(access_key_id, secret_access_key, token, None, "environment"),
        )
    }

    /// Creates an account from the SDK's credentials.
    pub(crate) fn with_credentials(transport: Transport, region: &str, credentials: Credentials) -> Self {
        Self { transport, region: region.to_owned(), credentials }
    }

    /// Returns a DynamoDB client, which uses the Region's default endpoint unless `endpoint` is given.
    #[must_use]
    pub fn dynamodb(&self, endpoint: Option<&str>) -> aws_sdk_dynamodb::Client {
        let mut config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.region.clone()))
            .credentials_provider(self.credentials.clone())
            .identity_cache(IdentityCache::no_cache())
            .sleep_impl(TokioSleep::new())
            .time_source(ServiceClock)
            .http_client(self.transport.client());
        config.set_endpoint_url(endpoint.map(str::to_owned));
        client::client(config)
    }

    /// Returns the release store in these tables and this bucket. `dynamodb` and `s3` override the default endpoints.
    #[must_use]
    pub fn releases(&self, tables: &ReleaseTables, bucket: &str, dynamodb: Option<&str>, s3: Option<&str>) -> AwsStore {
        let bucket = Bucket::new(self.transport.connector(), self.credentials.clone(), &self.region, s3, bucket);
        AwsStore::new(self.dynamodb(dynamodb), tables, bucket)
    }

    /// Returns the messaging port of one API stage. `url` is the callback URL of its `@connections`.
    #[must_use]
    pub fn messaging(&self, url: &str) -> ConnectionsMessaging {
        let config = aws_sdk_apigatewaymanagement::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.region.clone()))
            .credentials_provider(self.credentials.clone())
            .identity_cache(IdentityCache::no_cache())
            .sleep_impl(TokioSleep::new())
            .time_source(ServiceClock)
            .http_client(self.transport.client())
            .endpoint_url(url);
        ConnectionsMessaging::new(apigateway::client(config))
    }

    /// Returns the configuration values of `source` whose names begin with `prefix`. `endpoint` overrides the service's
    /// default endpoint.
    #[must_use]
    pub fn config(&self, source: ConfigSource, prefix: &str, endpoint: Option<&str>) -> ConfigStore {
        ConfigStore::new(source, self.transport.connector(), self.credentials.clone(), &self.region, endpoint, prefix)
    }
}
