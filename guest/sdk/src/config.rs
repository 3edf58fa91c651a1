//! Configuration values and secrets: the names that `grants.config` lists.

use crate::bindings::route::wasi::config::store;
pub use crate::bindings::route::wasi::config::store::Error;

/// The value; none where there is none, or where the route is not granted the name.
///
/// # Errors
///
/// When the host cannot read it.
pub fn get(name: &str) -> Result<Option<String>, Error> {
    store::get(name)
}

/// The value, which the route cannot do without.
///
/// # Errors
///
/// Status 500 where [`get`] gives none, and when the host cannot read it.
pub fn require(name: &str) -> Result<String, crate::Error> {
    get(name)?.ok_or_else(|| {
        crate::Error::internal(format!("there is no configuration value `{name}`, or the route is not granted it"))
    })
}

/// Every granted name with its value.
///
/// # Errors
///
/// When the host cannot read them.
pub fn get_all() -> Result<Vec<(String, String)>, Error> {
    store::get_all()
}
