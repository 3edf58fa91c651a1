//! The manifest, the release and its sources.
//!
//! - [`app`]: what an app is, resolved; the text of `app.json`
//! - [`release`]: an app with its artifacts, as the router uses it

pub mod app;
pub mod release;

pub use app::{App, Authorizer, IdentitySource, Route};
pub use release::{Artifact, Release, ReleaseId};
