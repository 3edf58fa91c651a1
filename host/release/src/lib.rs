//! The manifest, the release, how it is published, and its sources.
//!
//! - [`release`]: an app with its artifacts, as the router uses it
//! - [`folder`]: a folder as the source of one release
//! - [`document`]: what a published release says of itself; [`envelope`]: that, signed; [`keys`]: by whom
//! - [`store`]: where releases are published: the ports; [`folder_store`]: a folder
//! - [`cache`]: a folder of artifacts in front of a store
//! - [`mod@pointer`]: which release runs, the canary rule, and how both change
//! - [`load`]: from a published release to one that a host runs
//! - [`publish`]: from what was built to a published release; [`prune`]: the removal of those that nobody needs
//! - [`diff`]: what differs between two versions of an app, and what the newer one newly asks for
//! - [`digest`]: SHA-256 digests, which name what is stored
//! - `conformance`, behind the feature of that name: the suite that each store runs
//! - [`error`]: what is wrong with a manifest, an app or a folder, over `problem`, what is wrong with one key

pub mod cache;
pub mod diff;
pub mod digest;
pub mod document;
pub mod envelope;
pub mod error;
pub mod folder;
pub mod folder_store;
pub mod keys;
pub mod load;
pub mod pointer;
pub mod prune;
pub mod publish;
pub mod release;
pub mod store;

pub use digest::Digest;
pub use document::Document;
pub use envelope::Envelope;
pub use error::Error;
pub use keys::{SigningKey, TrustedKeys};
pub use pointer::Pointer;
pub use release::{Artifact, Release, ReleaseId};
pub use store::StoreError;
