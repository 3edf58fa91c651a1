//! The interfaces that the host offers to guests.
//!
//! Each function first checks the grant and then its limits, and only then calls the port.

/// Returns the value, or returns from the host function with an error for the guest.
macro_rules! attempt {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(error) => return Ok(Err(error.into())),
        }
    };
}

pub(crate) mod broadcast;
pub(crate) mod collection;
pub(crate) mod config;
pub(crate) mod connections;
pub(crate) mod messaging;
pub(crate) mod storage;
mod storage_types;

use tidegate_event::ConnectionId;

use crate::bindings::tidegate::route::types;
use crate::state::State;

impl types::Host for State {}

/// Parses a connection id.
fn connection_id(text: String) -> Result<ConnectionId, String> {
    ConnectionId::new(text).map_err(|error| error.to_string())
}

/// Checks the number of elements in one call.
fn at_most(what: &str, count: usize, limit: usize) -> Result<(), String> {
    if count > limit {
        return Err(format!("{count} {what}, above the limit of {limit}"));
    }
    Ok(())
}

/// Returns the bytes that names and values take from the budget for host calls.
fn size_of_fields(fields: &[(String, String)]) -> usize {
    fields.iter().map(|(name, value)| name.len() + value.len()).sum()
}
