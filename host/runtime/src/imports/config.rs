//! `wasi:config/store`: the configuration values that the route is granted.
//!
//! A name that is not granted looks like a name without a value.

use wasmtime::Result;

use super::size_of_fields;
use crate::bindings::wasi::config::store::{Error, Host};
use crate::context::log_event;
use crate::guest_log::excerpt;
use crate::state::State;

impl Host for State {
    fn get(&mut self, key: String) -> Result<Result<Option<String>, Error>> {
        self.charge(key.len())?;
        if !self.permissions.grants.config.contains(&key) {
            self.log_config_refusal(&key);
            return Ok(Ok(None));
        }
        let value = self.event.ports.config.get(&key).cloned();
        self.charge(value.as_ref().map_or(0, String::len))?;
        Ok(Ok(value))
    }

    fn get_all(&mut self) -> Result<Result<Vec<(String, String)>, Error>> {
        let values = &self.event.ports.config;
        let granted = self.permissions.grants.config.iter();
        let all: Vec<_> = granted.filter_map(|name| Some((name.clone(), values.get(name)?.clone()))).collect();
        self.charge(size_of_fields(&all))?;
        Ok(Ok(all))
    }
}

impl State {
    /// Logs the first read of a value that the route is not granted. The guest cannot distinguish it from a missing
    /// value.
    fn log_config_refusal(&self, name: &str) {
        if self.permissions.is_first_config_refusal() {
            let name = excerpt(name);
            log_event!(
                WARN,
                &self.event.context,
                hint = "add the name to the `grants.config` of the route",
                "the route reads the config value `{name}` without a grant, so the value is absent"
            );
        }
    }
}
