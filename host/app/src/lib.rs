//! The manifest and the app that it describes.
//!
//! - [`manifest`]: `tidegate.toml`, an app and the builds of its components
//! - [`app`]: a resolved app, the content of `app.json`
//! - [`grants`]: the operations that a route may call
//! - `inheritance`: the grants that a route inherits from its component
//! - [`limits`]: the resources that one event may use
//! - [`identity_source`]: the values that an authorizer requires
//! - [`keys`]: the public keys that sign releases
//! - [`rules`]: the names and numbers that AWS can hold, one table for `check` and the stack
//! - `validate`: the rules that an app as a whole obeys; `deployable`: those of an app that can be deployed
//! - [`unused`]: names in a manifest or a `.env` file that nothing uses
//! - `routing`: the part of an app that is infrastructure
//! - [`error`]: errors with a file and a key, over `problem`, an error of a key
//! - `tree`: a parsed TOML or JSON document with lines, from which the tables are deserialized

pub mod app;
mod deployable;
pub mod error;
pub mod grants;
pub mod identity_source;
mod inheritance;
pub mod keys;
pub mod limits;
pub mod manifest;
mod problem;
mod routing;
pub mod rules;
#[cfg(test)]
mod schema;
mod tree;
pub mod unused;
mod validate;

pub use app::{App, Authorizer, Route};
pub use error::Error;
pub use grants::Grants;
pub use identity_source::{IdentitySource, IdentitySourceError};
pub use keys::{Keys, PublicKey};
pub use limits::{LimitError, Limits};
pub use manifest::{Component, Manifest};
pub use problem::toml_key;
pub use rules::NameError;
pub use unused::Unused;
