//! Configuration values by name, from SSM Parameter Store or Secrets Manager.
//!
//! The host needs one operation of each service, so it sends these requests itself and signs them with the SDK's
//! signer. The SDK's SSM client has 150 operations, and would be the largest part of the build.
//!
//! - `service`: requests of the AWS JSON protocol
//! - `parameter_store`, `secrets_manager`: the operations of each service

use std::collections::{BTreeMap, BTreeSet};

use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use tidegate_ports::Deadline;

use crate::error::Error;

mod parameter_store;
mod secrets_manager;
mod service;

use service::Service;

/// The service that holds configuration values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ConfigSource {
    /// Each value is a parameter of SSM Parameter Store.
    #[default]
    ParameterStore,
    /// Each value is the text of a secret of Secrets Manager.
    SecretsManager,
}

/// The configuration values of one stage. The service stores each value under a prefix followed by the value's name.
#[derive(Debug, Clone)]
pub struct ConfigStore {
    service: Service,
    source: ConfigSource,
    prefix: String,
}

/// The result of a fetch.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct FetchedConfig {
    /// The values by name, without the prefix.
    pub found: BTreeMap<String, String>,
    /// The names, with the prefix, that do not exist.
    pub missing: Vec<String>,
}

impl ConfigSource {
    /// Returns the display name of the service.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ParameterStore => "Parameter Store",
            Self::SecretsManager => "Secrets Manager",
        }
    }

    /// Returns the name of the service in endpoints and signatures.
    fn service(self) -> &'static str {
        match self {
            Self::ParameterStore => "ssm",
            Self::SecretsManager => "secretsmanager",
        }
    }
}

impl ConfigStore {
    /// Creates a store of the values of `source` whose names begin with `prefix`, for example `/tidegate/chat/dev/`.
    /// `endpoint` overrides the service's default endpoint.
    #[must_use]
    pub fn new(
        source: ConfigSource,
        connector: SharedHttpConnector,
        credentials: Credentials,
        region: &str,
        endpoint: Option<&str>,
        prefix: &str,
    ) -> Self {
        let service = Service::new(source.service(), connector, credentials, region, endpoint);
        Self { service, source, prefix: prefix.to_owned() }
    }

    /// Returns the service that holds the values.
    #[must_use]
    pub fn source(&self) -> ConfigSource {
        self.source
    }

    /// Reads and decrypts the values of `names`. Retries temporary failures until the deadline.
    ///
    /// A missing value is not an error: its name is added to [`FetchedConfig::missing`].
    ///
    /// # Errors
    /// [`Error::Config`] if the role lacks permission for a value, a name is not allowed, a secret is binary, or the
    /// service does not respond in time.
    pub async fn fetch(&self, names: &BTreeSet<String>, deadline: Deadline) -> Result<FetchedConfig, Error> {
        let names: Vec<String> = names.iter().map(|name| format!("{}{name}", self.prefix)).collect();
        let read = match self.source {
            ConfigSource::ParameterStore => parameter_store::read(&self.service, &names, deadline).await,
            ConfigSource::SecretsManager => secrets_manager::read(&self.service, &names, deadline).await,
        };
        let read = read.map_err(|(names, reason)| Error::Config { names, store: self.source.name(), reason })?;
        let mut values = FetchedConfig::default();
        for (name, value) in read {
            match value {
                Some(value) => {
                    let name = name.strip_prefix(&self.prefix).unwrap_or(&name).to_owned();
                    values.found.insert(name, value);
                }
                None => values.missing.push(name),
            }
        }
        Ok(values)
    }
}

/// Each name with its value, or `None` if the value does not exist. The error has the names and the reason.
type Read = Result<Vec<(String, Option<String>)>, (String, String)>;

impl std::fmt::Debug for FetchedConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The values may be secrets, so they are not printed.
        f.debug_struct("FetchedConfig").field("missing", &self.missing).finish_non_exhaustive()
    }
}
