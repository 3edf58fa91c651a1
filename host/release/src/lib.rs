//! The manifest, the release and its sources.
//!
//! - [`manifest`]: `tidegate.toml`, what an app is and how its components are built
//! - [`app`]: what an app is, resolved; the text of `app.json`
//! - `check`: what must hold of an app as a whole
//! - [`release`]: an app with its artifacts, as the router uses it
//! - `routing`: what of an app is infrastructure
//! - [`folder`]: a folder as the source of a release
//! - [`error`]: what is wrong with any of these, over `problem`, what is wrong with one key

pub mod app;
mod check;
pub mod error;
pub mod folder;
pub mod manifest;
mod problem;
pub mod release;
mod routing;

pub use app::{App, Authorizer, IdentitySource, IdentitySourceError, Route};
pub use check::MAX_NAME_BYTES;
pub use error::Error;
pub use manifest::{Component, Manifest};
pub use problem::toml_key;
pub use release::{Artifact, Release, ReleaseId};
