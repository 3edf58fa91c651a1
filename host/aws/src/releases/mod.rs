//! Releases in an S3 bucket and two DynamoDB tables.
//!
//! The bucket has what is immutable: `releases/<id>.json`, a signed release, and `artifacts/<digest>`. One table has the
//! pointer and its history, the other what hosts report. An item's document is JSON in one attribute; what a condition or
//! an addition needs is an attribute besides.
//!
//! - `reader`: the part that hosts use
//! - `writer`: the part that only the command line uses, behind the feature `publish`
//! - `item`: keys and attributes; `failure`: the store's error for each failure of AWS
//!
//! What a role needs for each, on the table of releases, of their status, and on the bucket:
//!
//! | | releases | status | bucket |
//! |---|---|---|---|
//! | hosts | `GetItem` | `GetItem`, `PutItem`, `UpdateItem` | `GetObject` |
//! | who publishes | | | `GetObject`, `PutObject` |
//! | who activates, and prunes | `GetItem`, `PutItem`, `Query` | `GetItem`, `Query` | `GetObject`, `DeleteObject` |
//!
//! Each needs `ListBucket` besides: without it S3 says of a missing object what it says of a forbidden one.

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

/// What the names of signed releases begin with.
const RELEASES: &str = "releases/";
/// What the names of artifacts begin with.
const ARTIFACTS: &str = "artifacts/";
/// What the names of signed releases end with.
const JSON: &str = ".json";

/// A store of releases on AWS. Clones share the connections.
#[derive(Debug, Clone)]
pub struct AwsStore {
    client: Client,
    tables: ReleaseTables,
    bucket: Bucket,
    clock: Clock,
}

impl AwsStore {
    /// The store in these tables and this bucket. The client comes from [`crate::dynamodb::client`], which turns the SDK's own retry
    /// off.
    #[must_use]
    pub fn new(client: Client, tables: &ReleaseTables, bucket: Bucket) -> Self {
        Self { client, tables: tables.clone(), bucket, clock: Clock::system() }
    }

    /// The same with another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// An object, as errors name it.
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
