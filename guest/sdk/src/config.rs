//! Configuration values and secrets (`wasi:config/store`). A route sees the names that `grants.config` lists.
//!
//! ```no_run
//! use tidegate_guest::{Result, config, route};
//!
//! #[route]
//! fn motd() -> Result<String> {
//!     let text = config::get("motd")?;
//!     Ok(text.unwrap_or_else(|| "no news".to_owned()))
//! }
//! ```

use crate::bindings::route::wasi::config::store;
/// The reason why the host cannot read a configuration value. It becomes status 500.
///
/// ```
/// use tidegate_guest::{Error, config};
///
/// let error = config::Error::Upstream("timed out".into());
/// assert_eq!(Error::from(error).status, 500);
/// ```
pub use crate::bindings::route::wasi::config::store::Error;

/// Returns a value. Returns none if the value does not exist, and if the route is not granted the name.
///
/// ```no_run
/// # fn main() -> tidegate_guest::Result<()> {
/// let motd: Option<String> = tidegate_guest::config::get("motd")?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// The host's [`Error`] if it cannot read the value.
pub fn get(name: &str) -> Result<Option<String>, Error> {
    store::get(name)
}

/// Returns a value that the route cannot work without.
///
/// ```no_run
/// # fn main() -> tidegate_guest::Result<()> {
/// let secret: String = tidegate_guest::config::require("jwt-secret")?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// Status 500 if [`get`] returns none, and if the host cannot read the value.
pub fn require(name: &str) -> Result<String, crate::Error> {
    get(name)?.ok_or_else(|| {
        crate::Error::internal(format!("there is no configuration value `{name}`, or the route is not granted it"))
    })
}

/// Returns all granted names that have a value, with their values.
///
/// ```no_run
/// # fn main() -> tidegate_guest::Result<()> {
/// for (name, value) in tidegate_guest::config::get_all()? {
///     println!("{name} has {} bytes", value.len());
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// The host's [`Error`] if it cannot read the values.
pub fn get_all() -> Result<Vec<(String, String)>, Error> {
    store::get_all()
}
