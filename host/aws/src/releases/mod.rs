//! Releases in an S3 bucket and two DynamoDB tables.
//!
//! The bucket holds the immutable objects: signed releases as `releases/<id>.json` and artifacts as
//! `artifacts/<digest>`. One table holds the rollout state and its history. The other table holds the status that hosts
//! report. An item stores its JSON in one attribute. Values used in conditions and additions have separate attributes.
//!
//! - `reader`: the part that hosts use
//! - `writer`: the part that only the command line uses, behind the feature `publish`
//! - `item`: keys and attributes; `failure`: the store's error for each AWS failure
//!
//! A role needs these permissions on the release table, the status table and the bucket:
//!
//! | | releases | status | bucket |
//! |---|---|---|---|
//! | host | `GetItem` | `GetItem`, `PutItem`, `UpdateItem` | `GetObject` |
//! | publisher | | | `GetObject`, `PutObject` |
//! | operator | `GetItem`, `PutItem`, `Query` | `GetItem`, `Query` | `GetObject`, `DeleteObject` |
//!
//! Each role also needs `ListBucket`: without it, S3 reports a missing object as forbidden.

mod failure;
mod item;
mod reader;
#[cfg(feature = "publish")]
mod writer;

use aws_sdk_dynamodb::Client;
use tidegate_release::{Digest, ReleaseId};

use crate::dynamodb::clock::Clock;
use crate::dynamodb::tables::ReleaseTables;
use crate::s3::Bucket;

pub use reader::MAX_ARTIFACT_BYTES;

/// The prefix of the keys of signed releases.
const RELEASES: &str = "releases/";
/// The prefix of the keys of artifacts.
const ARTIFACTS: &str = "artifacts/";
/// The suffix of the keys of signed releases.
const JSON: &str = ".json";

/// A release store on AWS. Clones share the connections.
#[derive(Debug, Clone)]
pub struct AwsStore {
    client: Client,
    tables: ReleaseTables,
    bucket: Bucket,
    clock: Clock,
}

impl AwsStore {
    /// Creates a store in these tables and this bucket. The client must come from [`crate::dynamodb::client`], which
    /// turns off the SDK's retries.
    #[must_use]
    pub fn new(client: Client, tables: &ReleaseTables, bucket: Bucket) -> Self {
        Self { client, tables: tables.clone(), bucket, clock: Clock::system() }
    }

    /// Replaces the clock, for tests.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Returns the name of an object, for error messages.
    fn place(&self, key: &str) -> String {
        format!("`{key}` in the bucket `{}`", self.bucket.name())
    }
}

fn envelope_key(release: &ReleaseId) -> String {
    format!("{RELEASES}{release}{JSON}")
}

fn artifact_key(digest: &Digest) -> String {
    format!("{ARTIFACTS}{digest}")
}
