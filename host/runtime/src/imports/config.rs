//! `wasi:config/store`: the granted names, and no others.

use wasmtime::Result;

use super::size_of_fields;
use crate::bindings::wasi::config::store::{Error, Host};
use crate::state::State;

impl Host for State {
    fn get(&mut self, key: String) -> Result<Result<Option<String>, Error>> {
        self.charge(key.len())?;
        if !self.route.grants.config.contains(&key) {
            // A name that is not granted looks like one that is not set.
            return Ok(Ok(None));
        }
        let value = self.ports.config.get(&key).cloned();
        self.charge(value.as_ref().map_or(0, String::len))?;
        Ok(Ok(value))
    }

    fn get_all(&mut self) -> Result<Result<Vec<(String, String)>, Error>> {
        let values = &self.ports.config;
        let granted = self.route.grants.config.iter();
        let all: Vec<_> = granted.filter_map(|name| Some((name.clone(), values.get(name)?.clone()))).collect();
        self.charge(size_of_fields(&all))?;
        Ok(Ok(all))
    }
}
