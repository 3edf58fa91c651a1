//! Ports over an embedded database, with a clock that the test controls.

#![allow(dead_code, reason = "each test file uses a part of it")]

pub(crate) mod chaos;
pub(crate) mod faults;
pub(crate) mod s3;

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use tempfile::TempDir;
use tidegate_aws::{AwsStore, Clock, DynamoRegistry, DynamoStorage, ReleaseTables, Tables, dynamodb::client};
use tidegate_dynamodb_embedded::Embedded;
use tidegate_ports::Deadline;
use tidegate_ports_testing::TestClock;

use s3::S3;

/// A port with its clock, and the directory of its data.
pub(crate) struct Subject<P> {
    port: P,
    clock: TestClock,
    _directory: Option<TempDir>,
}

impl<P> Subject<P> {
    pub(crate) fn port(&self) -> &P {
        &self.port
    }

    pub(crate) fn clock(&self) -> &TestClock {
        &self.clock
    }
}

pub(crate) async fn client_of(database: &Embedded) -> Client {
    let client = client::local(database.http_client());
    Tables::default().create_missing(&client).await.unwrap();
    client
}

fn clock_of(clock: &TestClock) -> Clock {
    let clock = clock.clone();
    Clock::new(move || clock.now())
}

pub(crate) fn storage_on(client: Client) -> Subject<DynamoStorage> {
    let clock = TestClock::default();
    let port = DynamoStorage::new(client, &Tables::default()).with_clock(clock_of(&clock));
    Subject { port, clock, _directory: None }
}

pub(crate) fn registry_on(client: Client) -> Subject<DynamoRegistry> {
    let clock = TestClock::default();
    let port = DynamoRegistry::new(client, &Tables::default()).with_clock(clock_of(&clock));
    Subject { port, clock, _directory: None }
}

pub(crate) async fn memory() -> Client {
    client_of(&Embedded::memory().unwrap()).await
}

pub(crate) async fn file() -> (Client, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let database = Embedded::open(directory.path().join("data.db")).unwrap();
    (client_of(&database).await, directory)
}

pub(crate) async fn storage_in_memory() -> Subject<DynamoStorage> {
    storage_on(memory().await)
}

pub(crate) async fn storage_in_a_file() -> Subject<DynamoStorage> {
    let (client, directory) = file().await;
    Subject { _directory: Some(directory), ..storage_on(client) }
}

pub(crate) async fn registry_in_memory() -> Subject<DynamoRegistry> {
    registry_on(memory().await)
}

pub(crate) async fn registry_in_a_file() -> Subject<DynamoRegistry> {
    let (client, directory) = file().await;
    Subject { _directory: Some(directory), ..registry_on(client) }
}

pub(crate) async fn registry_of_7_shards() -> Subject<DynamoRegistry> {
    let Subject { port, clock, _directory } = registry_in_memory().await;
    Subject { port: port.with_shards(7.try_into().unwrap()), clock, _directory }
}

impl Subject<AwsStore> {
    pub(crate) fn store(&self) -> &AwsStore {
        &self.port
    }
}

pub(crate) fn release_tables() -> ReleaseTables {
    ReleaseTables { releases: "releases".to_owned(), release_status: "release-status".to_owned() }
}

/// Creates the tables of releases, and returns a store in them and in a bucket.
pub(crate) async fn releases_on(client: Client, s3: &S3) -> AwsStore {
    release_tables().create_missing(&client).await.unwrap();
    AwsStore::new(client, &release_tables(), s3.bucket())
}

pub(crate) async fn releases_in_memory() -> Subject<AwsStore> {
    let port = releases_on(client::local(Embedded::memory().unwrap().http_client()), &S3::default()).await;
    Subject { port, clock: TestClock::default(), _directory: None }
}

pub(crate) async fn releases_in_a_file() -> Subject<AwsStore> {
    let (client, directory) = file().await;
    let port = releases_on(client, &S3::default()).await;
    Subject { port, clock: TestClock::default(), _directory: Some(directory) }
}

pub(crate) fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(30))
}
