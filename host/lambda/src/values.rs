//! Configuration values, read at the start and refreshed after events.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tidegate_aws::{ConfigSource, ConfigStore};
use tidegate_capability::Deadline;
use tidegate_runtime::Host;

/// How old values may be before they are read again: Parameter Store, the slower source, answers 40 requests a second for a whole account,
/// which at this age is 2,400 busy processes.
const MAX_AGE: Duration = Duration::from_secs(60);
/// How long a refresh may take.
const REFRESH_TIMEOUT: Duration = Duration::from_secs(2);

/// Where the values come from, and when they were last asked for.
pub(crate) struct Values {
    store: ConfigStore,
    names: BTreeSet<String>,
    asked: Mutex<(Instant, SystemTime)>,
}

impl Values {
    pub(crate) fn new(store: ConfigStore, names: BTreeSet<String>) -> Self {
        Self { store, names, asked: Mutex::new((Instant::now(), SystemTime::now())) }
    }

    /// Reads the values. One that does not exist is logged: a route that asks for it finds none, the others work.
    pub(crate) async fn read(&self, deadline: Deadline) -> Result<BTreeMap<String, String>, tidegate_aws::Error> {
        let values = self.store.fetch(&self.names, deadline).await?;
        for name in &values.missing {
            let (what, command) = match self.store.source() {
                ConfigSource::ParameterStore => {
                    ("parameter", format!("aws ssm put-parameter --type SecureString --name {name} --value VALUE"))
                }
                ConfigSource::SecretsManager => {
                    ("secret", format!("aws secretsmanager create-secret --name {name} --secret-string VALUE"))
                }
            };
            tracing::error!("there is no {what} `{name}`, which a route is granted; hint: `{command}`");
        }
        Ok(values.found)
    }

    /// Reads the values again when they are old; keeps those that are there when that fails.
    pub(crate) async fn refresh(&self, host: &Host, deadline: Deadline) {
        if !self.is_due() {
            return;
        }
        match self.read(deadline.min(Deadline::after(REFRESH_TIMEOUT))).await {
            Ok(values) => host.set_config(values),
            Err(error) => tracing::warn!("the configuration stays as it was read before: {error}"),
        }
    }

    /// Whether it is time, by whichever clock saw more of it pass; says so once, also to events that end at once.
    fn is_due(&self) -> bool {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let age = asked.0.elapsed().max(asked.1.elapsed().unwrap_or_default());
        let due = age >= MAX_AGE;
        if due {
            *asked = (Instant::now(), SystemTime::now());
        }
        due
    }
}
