//! The SDK's client, configured for the ports.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{
    BehaviorVersion, Builder, Config, Credentials, HttpClient, Region, StalledStreamProtectionConfig,
};
use aws_smithy_async::rt::sleep::TokioSleep;

/// Creates a client for AWS from a configuration, for example `Builder::from(&sdk_config)`.
///
/// The SDK's retries are off: they ignore deadlines, and would repeat writes without a token after timeouts and 5xx
/// responses. The ports retry requests that are safe to repeat.
#[must_use]
pub fn client(config: Builder) -> Client {
    Client::from_conf(without_retry(config).build())
}

/// Creates a client for one machine, whose requests `http_client` handles in process. Credentials and Region are
/// placeholders. The endpoint is the loopback address, so no request can leave the machine.
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
        // Each request has a deadline, which is earlier than the grace period of stalled-stream protection.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
}
