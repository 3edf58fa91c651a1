//! Releases: their format, signatures, stores and rollout.
//!
//! - [`id`]: the content address of a release; [`artifact`]: an app with its compiled components, as the router uses it
//! - [`folder`]: a folder as the source of one release
//! - [`manifest`]: the signed description of a published release; [`envelope`]: the manifest with its signatures;
//!   [`keys`]: signing keys and trusted keys
//! - [`store`]: the traits of stores, to which releases are published; [`store::fs`]: a store in a folder;
//!   [`store::cached`]: a folder of artifacts in front of a store
//! - [`rollout`]: the active release, the canary, and the operations that change them
//! - [`verify`]: turns a published release into one that a host can run
//! - [`publish`](mod@publish): publishes a release from build outputs; [`prune`](mod@prune): removes unused releases
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
