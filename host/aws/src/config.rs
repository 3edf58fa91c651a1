//! Configuration values by name, from SSM Parameter Store or Secrets Manager.
//!
//! One operation of each is all that is needed, so they are sent here, signed by the SDK's own signer: the SDK's client for
//! SSM knows 150 operations, and would be the largest part of the build.
//!
//! - `service`: requests in AWS's JSON protocol
//! - `parameter_store` and `secrets_manager`: where values are

use std::collections::{BTreeMap, BTreeSet};

use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use tidegate_ports::Deadline;

use crate::error::Error;

mod parameter_store;
mod secrets_manager;
mod service;

use service::Service;

/// Where configuration values are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ConfigSource {
    /// Each value is a parameter of SSM Parameter Store.
    #[default]
    ParameterStore,
    /// Each value is the text of a secret of Secrets Manager.
    SecretsManager,
}

/// Values that are named by a prefix and the name of the value.
#[derive(Debug, Clone)]
pub struct ConfigStore {
    service: Service,
    source: ConfigSource,
    prefix: String,
}

/// What was found.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct FetchedConfig {
    /// The values by name, without the prefix.
    pub found: BTreeMap<String, String>,
    /// The names, with the prefix, that do not exist.
    pub missing: Vec<String>,
}

impl ConfigSource {
    /// Its name, as people write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ParameterStore => "Parameter Store",
            Self::SecretsManager => "Secrets Manager",
        }
    }

    /// Its name in requests.
    fn service(self) -> &'static str {
        match self {
            Self::ParameterStore => "ssm",
            Self::SecretsManager => "secretsmanager",
        }
    }
}

impl ConfigStore {
    /// The values of `source` whose names begin with `prefix`, such as `/tidegate/chat/dev/`. `endpoint` is the service's
    /// own when it is none.
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

    /// Where the values are.
    #[must_use]
    pub fn source(&self) -> ConfigSource {
        self.source
    }

    /// Reads and decrypts the values of `names`. Repeats what may pass until the deadline.
    ///
    /// # Errors
    /// [`Error::Config`] when the role may not read one, a name is not allowed, a secret has no text, or the service does
    /// not answer in time. A value that does not exist is no error: it is among [`FetchedConfig::missing`].
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

/// Each name with its value, if it has one; or the names that could not be read, and why.
type Read = Result<Vec<(String, Option<String>)>, (String, String)>;

impl std::fmt::Debug for FetchedConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Values may be secrets.
        f.debug_struct("FetchedConfig").field("missing", &self.missing).finish_non_exhaustive()
    }
}
