//! Configuration values: read when the function starts, and refreshed after events.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidegate_aws::{ConfigSource, ConfigStore};
use tidegate_diagnostic::{Code, Diagnose as _, Diagnostic};
use tidegate_ports::{AwakeInstant, Deadline};
use tidegate_runtime::Host;

use crate::environment;

/// The age at which values are read again. Parameter Store is the slower of the two sources: it serves 40 requests per
/// second for a whole account, which is enough for 2,400 busy processes at this age.
const MAX_AGE: Duration = Duration::from_secs(60);
/// The time limit of a refresh.
const REFRESH_TIMEOUT: Duration = Duration::from_secs(2);

/// The configuration values that routes are granted.
pub(crate) struct ConfigCache {
    /// `None` when the environment does not name a source.
    store: Option<ConfigStore>,
    state: Mutex<State>,
    /// Held while values are added, so that two callers with the same names read the values only once.
    adding: tokio::sync::Mutex<()>,
}

struct State {
    names: BTreeSet<String>,
    values: BTreeMap<String, String>,
    read_at: AwakeInstant,
}

impl ConfigCache {
    pub(crate) fn new(store: Option<ConfigStore>) -> Self {
        let state = State { names: BTreeSet::new(), values: BTreeMap::new(), read_at: AwakeInstant::now() };
        Self { store, state: Mutex::new(state), adding: tokio::sync::Mutex::default() }
    }

    /// Reads the values of `names` that are not cached yet, and updates the values of the host.
    ///
    /// A missing value is logged. A route that reads it gets no value, and other routes are not affected.
    ///
    /// # Errors
    /// The environment names no source, or the source cannot be read. Cached values are kept.
    pub(crate) async fn add(&self, names: BTreeSet<String>, host: &Host, deadline: Deadline) -> Result<(), Diagnostic> {
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

    async fn read(&self, names: &BTreeSet<String>, deadline: Deadline) -> Result<BTreeMap<String, String>, Diagnostic> {
        let store = self.store.as_ref().ok_or_else(environment::Error::no_config_prefix)?;
        let values = store.fetch(names, deadline).await;
        let values = values.diagnose(Code::FunctionConfigRead, || "cannot read the configuration values")?;
        for name in &values.missing {
            let (what, command) = match store.source() {
                ConfigSource::ParameterStore => {
                    ("parameter", format!("aws ssm put-parameter --type SecureString --name {name} --value VALUE"))
                }
                ConfigSource::SecretsManager => {
                    ("secret", format!("aws secretsmanager create-secret --name {name} --secret-string VALUE"))
                }
            };
            tracing::error!(hint = %command, "there is no {what} `{name}`, which a route is granted");
        }
        Ok(values.found)
    }

    /// Reads the values again if they are old. A failure is logged, and the cached values are kept.
    pub(crate) async fn refresh(&self, host: &Host, deadline: Deadline) {
        if !self.take_due() {
            return;
        }
        let names = self.state().names.clone();
        match self.read(&names, deadline.min(Deadline::after(REFRESH_TIMEOUT))).await {
            Ok(values) => {
                let mut state = self.state();
                // A new release may have added other names in the meantime.
                state.values.retain(|name, _| !names.contains(name));
                state.values.extend(values);
                host.set_config(state.values.clone());
            }
            Err(error) => {
                tracing::warn!(
                    code = error.code.as_str(),
                    "cannot refresh the configuration, so cached values stay: {error}"
                );
            }
        }
    }

    /// Returns true if a refresh is due. Also starts the next period, so that concurrent events do not refresh as well.
    fn take_due(&self) -> bool {
        let mut state = self.state();
        let due = state.read_at.elapsed() >= MAX_AGE && !state.names.is_empty();
        if due {
            state.read_at = AwakeInstant::now();
        }
        due
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
