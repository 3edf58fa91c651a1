//! Releases: their format, signatures, stores and rollout.
//!
//! - [`id`]: the content address of a release; [`artifact`]: an app with its compiled components, as the router uses it
//! - [`folder`]: a folder as the source of one release
//! - [`manifest`]: the signed description of a published release; [`envelope`]: the manifest with its signatures;
//!   [`keys`]: signing keys and trusted keys
//! - [`store`]: where releases are published: the traits; [`store::fs`]: a folder; [`store::cached`]: a folder of
//!   artifacts in front of a store
//! - [`rollout`]: which release is active, the canary rule, and how both change
//! - [`verify`]: from a published release to one that a host runs
//! - [`publish`](mod@publish): from build outputs to a published release; [`prune`](mod@prune): removal of unused
//!   releases
//! - [`diff`]: the differences between two versions of an app
//! - [`digest`]: SHA-256 digests, which name stored objects
//! - [`error`]: errors of release folders

pub mod artifact;
pub mod diff;
pub mod digest;
pub mod envelope;
pub mod error;
pub mod folder;
pub mod id;
pub mod keys;
pub mod manifest;
pub mod prune;
pub mod publish;
pub mod rollout;
pub mod store;
pub mod verify;

pub use artifact::{Artifact, Release};
pub use digest::Digest;
pub use envelope::Envelope;
pub use error::Error;
pub use id::ReleaseId;
pub use keys::{SigningKey, TrustedKeys};
pub use manifest::ReleaseManifest;
pub use rollout::RolloutState;
pub use store::StoreError;
