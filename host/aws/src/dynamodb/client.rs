//! The SDK's client as these ports need it.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{
    BehaviorVersion, Builder, Config, Credentials, HttpClient, Region, StalledStreamProtectionConfig,
};
use aws_smithy_async::rt::sleep::TokioSleep;

/// A client for AWS from a configuration, such as `Builder::from(&sdk_config)`, with the SDK's retry off: it repeats
/// timeouts and 5xx answers of writes that carry no token, and knows no deadline. The ports repeat what may be repeated.
#[must_use]
pub fn client(config: Builder) -> Client {
    Client::from_conf(without_retry(config).build())
}

/// A client for one machine: `http_client` answers in process, credentials and region are stand-ins, and should a
/// request ever reach a network, it goes no further than this host.
#[must_use]
pub fn local(http_client: impl HttpClient + 'static) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("local"))
        .credentials_provider(Credentials::new("local", "local", None, None, "local"))
        .endpoint_url("http://127.0.0.1")
        .sleep_impl(TokioSleep::new())
        .timeout_config(TimeoutConfig::disabled())
        .http_client(http_client);
    Client::from_conf(without_retry(config).build())
}

fn without_retry(config: Builder) -> Builder {
    config
        .retry_config(RetryConfig::disabled())
        // A request has a deadline of its own, which is nearer than the grace time of this protection.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
}
