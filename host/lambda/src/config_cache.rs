//! Configuration values, read at the start and refreshed after events.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tidegate_aws::{ConfigSource, ConfigStore};
use tidegate_ports::Deadline;
use tidegate_runtime::Host;

use crate::environment;

/// How old values may be before they are read again: Parameter Store, the slower source, answers 40 requests a second for a whole account,
/// which at this age is 2,400 busy processes.
const MAX_AGE: Duration = Duration::from_secs(60);
/// How long a refresh may take.
const REFRESH_TIMEOUT: Duration = Duration::from_secs(2);

/// The values that routes were granted, where they come from, and when they were last asked for.
pub(crate) struct ConfigCache {
    /// None when the environment does not say where values are.
    store: Option<ConfigStore>,
    state: Mutex<State>,
    /// Held while values are added, so that two who want the same ask once.
    adding: tokio::sync::Mutex<()>,
}

struct State {
    names: BTreeSet<String>,
    values: BTreeMap<String, String>,
    asked: (Instant, SystemTime),
}

impl ConfigCache {
    pub(crate) fn new(store: Option<ConfigStore>) -> Self {
        let state =
            State { names: BTreeSet::new(), values: BTreeMap::new(), asked: (Instant::now(), SystemTime::now()) };
        Self { store, state: Mutex::new(state), adding: tokio::sync::Mutex::default() }
    }

    /// Reads those of these values that are not known yet, and gives the host all. One that does not exist is logged: a route
    /// that asks for it finds none, the others work.
    ///
    /// # Errors
    /// When nothing says where values are, or they cannot be read; what is known stays.
    pub(crate) async fn add(&self, names: BTreeSet<String>, host: &Host, deadline: Deadline) -> anyhow::Result<()> {
        let _one_at_a_time = self.adding.lock().await;
        let new: BTreeSet<_> = names.difference(&self.state().names).cloned().collect();
        if new.is_empty() {
            return Ok(());
        }
        let found = self.read(&new, deadline).await?;
        let mut state = self.state();
        state.names.extend(new);
        state.values.extend(found);
        host.set_config(state.values.clone());
        Ok(())
    }

    async fn read(&self, names: &BTreeSet<String>, deadline: Deadline) -> anyhow::Result<BTreeMap<String, String>> {
        let store = self.store.as_ref().ok_or_else(environment::Error::no_config_prefix)?;
        let values = store.fetch(names, deadline).await?;
        for name in &values.missing {
            let (what, command) = match store.source() {
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
        let names = self.state().names.clone();
        match self.read(&names, deadline.min(Deadline::after(REFRESH_TIMEOUT))).await {
            Ok(values) => {
                let mut state = self.state();
                // A release may have asked for others meanwhile.
                state.values.retain(|name, _| !names.contains(name));
                state.values.extend(values);
                host.set_config(state.values.clone());
            }
            Err(error) => tracing::warn!("the configuration stays as it was read before: {error:#}"),
        }
    }

    /// Whether it is time, by whichever clock saw more of it pass; says so once, also to events that end at once.
    fn is_due(&self) -> bool {
        let mut state = self.state();
        let age = state.asked.0.elapsed().max(state.asked.1.elapsed().unwrap_or_default());
        let due = age >= MAX_AGE && !state.names.is_empty();
        if due {
            state.asked = (Instant::now(), SystemTime::now());
        }
        due
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
