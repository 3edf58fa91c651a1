//! What every client of one account's services has in common.

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::config::{BehaviorVersion, IdentityCache, Region};
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_async::time::SystemTimeSource;

use crate::apigateway;
use crate::apigateway::ConnectionsMessaging;
use crate::config::{ConfigSource, ConfigStore};
use crate::dynamodb::client;
use crate::dynamodb::tables::ReleaseTables;
use crate::http::transport::Transport;
use crate::releases::AwsStore;
use crate::s3::Bucket;

/// Credentials, a Region and a transport, from which the clients of services are made. They share the connections.
///
/// The credentials are those given: nothing is looked for in files or asked of other services, which would be most of a
/// cold start, and Lambda gives a function its role's credentials in the environment.
#[derive(Debug, Clone)]
pub struct Account {
    transport: Transport,
    region: String,
    credentials: Credentials,
}

impl Account {
    /// The account that the credentials are for.
    #[must_use]
    pub fn new(
        transport: Transport,
        region: &str,
        access_key_id: &str,
        secret_access_key: &str,
        session_token: Option<&str>,
    ) -> Self {
        let token = session_token.map(str::to_owned);
        Self::of(transport, region, Credentials::new(access_key_id, secret_access_key, token, None, "environment"))
    }

    /// The account that these credentials are for.
    pub(crate) fn of(transport: Transport, region: &str, credentials: Credentials) -> Self {
        Self { transport, region: region.to_owned(), credentials }
    }

    /// DynamoDB, at its own endpoint when `endpoint` is none.
    #[must_use]
    pub fn dynamodb(&self, endpoint: Option<&str>) -> aws_sdk_dynamodb::Client {
        let mut config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.region.clone()))
            .credentials_provider(self.credentials.clone())
            .identity_cache(IdentityCache::no_cache())
            .sleep_impl(TokioSleep::new())
            .time_source(SystemTimeSource::new())
            .http_client(self.transport.client());
        config.set_endpoint_url(endpoint.map(str::to_owned));
        client::client(config)
    }

    /// The releases in these tables and this bucket. DynamoDB and S3 are at their own endpoints when those are none.
    #[must_use]
    pub fn releases(&self, tables: &ReleaseTables, bucket: &str, dynamodb: Option<&str>, s3: Option<&str>) -> AwsStore {
        let (connector, credentials) = (self.transport.connector(), self.credentials.clone());
        let bucket = Bucket::new(connector, credentials, &self.region, s3, bucket);
        AwsStore::new(self.dynamodb(dynamodb), tables, bucket)
    }

    /// Messages through the `@connections` of one API and stage: its callback URL.
    #[must_use]
    pub fn messaging(&self, url: &str) -> ConnectionsMessaging {
        let config = aws_sdk_apigatewaymanagement::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.region.clone()))
            .credentials_provider(self.credentials.clone())
            .identity_cache(IdentityCache::no_cache())
            .sleep_impl(TokioSleep::new())
            .time_source(SystemTimeSource::new())
            .http_client(self.transport.client())
            .endpoint_url(url);
        ConnectionsMessaging::new(apigateway::client(config))
    }

    /// Configuration values of `source` whose names begin with `prefix`, at the service's own endpoint when `endpoint` is
    /// none.
    #[must_use]
    pub fn config(&self, source: ConfigSource, prefix: &str, endpoint: Option<&str>) -> ConfigStore {
        let (connector, credentials) = (self.transport.connector(), self.credentials.clone());
        ConfigStore::new(source, connector, credentials, &self.region, endpoint, prefix)
    }
}
