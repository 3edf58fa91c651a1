//! The interfaces that the host offers to guests. Each call is held against the grant, then against its limits, and only
//! then is the port called.

/// Ends a host call with the guest's error.
macro_rules! attempt {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(error) => return Ok(Err(error.into())),
        }
    };
}

pub(crate) mod broadcast;
pub(crate) mod config;
pub(crate) mod connections;
pub(crate) mod messaging;
pub(crate) mod storage;
mod storage_types;

use tidegate_event::ConnectionId;

use crate::bindings::tidegate::route::types;
use crate::state::State;

impl types::Host for State {}

/// A connection id from a guest's text.
fn connection_id(text: String) -> Result<ConnectionId, String> {
    ConnectionId::new(text).map_err(|error| error.to_string())
}

/// Checks the number of things in one call.
fn at_most(what: &str, count: usize, limit: usize) -> Result<(), String> {
    if count > limit {
        return Err(format!("{count} {what}, above the limit of {limit}"));
    }
    Ok(())
}

/// What names and values cost of the budget for host calls.
fn size_of_fields(fields: &[(String, String)]) -> usize {
    fields.iter().map(|(name, value)| name.len() + value.len()).sum()
}
