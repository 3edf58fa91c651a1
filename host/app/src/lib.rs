//! The manifest and the app that it describes.
//!
//! - [`manifest`]: `tidegate.toml`, an app and how its components are built
//! - [`app`]: a resolved app, the text of `app.json`
//! - [`grants`]: the capabilities of a route
//! - [`limits`]: the resources of one event
//! - [`keys`]: the public keys that sign releases
//! - `validate`: the rules that an app as a whole obeys
//! - `routing`: the part of an app that is infrastructure
//! - [`error`]: errors with their file and key, over `problem`, which knows the key only

pub mod app;
pub mod error;
pub mod grants;
pub mod keys;
pub mod limits;
pub mod manifest;
mod problem;
mod routing;
mod validate;

pub use app::{App, Authorizer, IdentitySource, IdentitySourceError, Route};
pub use error::Error;
pub use grants::Grants;
pub use keys::{Keys, PublicKey};
pub use limits::{LimitError, Limits};
pub use manifest::{Component, Manifest};
pub use problem::toml_key;
pub use validate::MAX_NAME_BYTES;
