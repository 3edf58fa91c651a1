//! Histories of concurrent calls of storage, checked for linearizability: on the embedded database, with faults, and on
//! an emulated AWS. The conformance suite checks histories too; these are more, and their numbers are recorded.
//!
//! `TIDEGATE_HISTORIES` is the number of histories of each test. Each test appends a line about its histories to the
//! file that `TIDEGATE_RECORD` names.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "these are tests")]

mod support;

use std::io::Write as _;
use std::sync::Mutex;

use async_trait::async_trait;
use serde_json::json;
use support::chaos::Chaos;
use support::{file, memory, storage_on};
use tidegate_aws::dynamodb::client;
use tidegate_aws::{Account, DynamoStorage, Tables, Transport};
use tidegate_dynamodb_embedded::Embedded;
use tidegate_ports::storage::{
    Change, Condition, Error, Item, Key, Operation, Page, QueryOptions, Version, WriteOptions,
};
use tidegate_ports::{Deadline, Storage};
use tidegate_ports_testing::histories::{Random, Workload};

/// The number of histories in `make test`.
const FEW: u64 = 20;

fn count() -> u64 {
    std::env::var("TIDEGATE_HISTORIES").map_or(FEW, |text| text.parse().unwrap())
}

/// Checks histories on one port, and records their numbers.
async fn check(store: &str, faults: &str, port: &dyn Storage) {
    let (mut calls, mut unknown) = (0, 0);
    // On a store that keeps its data, other runs have used other documents.
    let first = Random::new(u64::from(std::process::id())).below(1 << 40);
    for seed in first..first + count() {
        let checked = Workload::new(seed).run(port).await;
        assert_eq!(checked.violation.as_deref(), None, "seed {seed} on {store} with {faults}");
        calls += checked.calls;
        unknown += checked.unknown;
    }
    let Some(path) = std::env::var_os("TIDEGATE_RECORD") else { return };
    let line = json!({
        "kind": "history", "store": store, "faults": faults, "histories": count(), "calls": calls, "unknown": unknown,
    });
    let mut record = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    writeln!(record, "{line}").unwrap();
}

/// Returns storage in memory behind these faults, whose tables are created without them.
async fn chaotic(chaos: &Chaos) -> DynamoStorage {
    let database = Embedded::memory().unwrap();
    Tables::default().create_missing(&client::local(database.http_client())).await.unwrap();
    DynamoStorage::new(client::local(chaos.before(database.http_client())), &Tables::default())
}

#[tokio::test]
async fn histories_in_memory_are_linearizable() {
    check("embedded, in memory", "none", &chaotic(&Chaos::delays(1)).await).await;
}

#[tokio::test]
async fn histories_in_a_file_are_linearizable() {
    let (client, _directory) = file().await;
    check("embedded, in a file", "none", storage_on(client).port()).await;
}

#[tokio::test]
async fn histories_with_faults_are_linearizable() {
    let faults = "5xx, throttling, resets, lost and late requests, wrong bodies";
    check("embedded, in memory", faults, &chaotic(&Chaos::faults(2)).await).await;
}

/// `tests/aws/test_histories.py` runs this on MiniStack, directly and behind the proxy of `tests/faults`.
#[tokio::test]
#[ignore = "needs the URL of an emulated AWS in TIDEGATE_TEST_AWS"]
async fn histories_on_an_emulated_aws_are_linearizable() {
    let url = std::env::var("TIDEGATE_TEST_AWS").unwrap();
    let account = Account::new(Transport::new().unwrap(), "us-east-1", "test", "test", None);
    let client = account.dynamodb(Some(&url));
    let tables = Tables { storage: "histories".to_owned(), ..Tables::default() };
    tables.create_missing(&client).await.unwrap();
    let faults = std::env::var("TIDEGATE_TEST_FAULTS").unwrap_or_else(|_| "none".to_owned());
    check("emulated AWS", &faults, &DynamoStorage::new(client, &tables)).await;
}

/// A defect of a store.
#[derive(Debug, Clone, Copy)]
enum Defect {
    /// An update is acknowledged and not applied.
    LostUpdate,
    /// An update is applied twice.
    RepeatedUpdate,
    /// A read returns the document of an earlier read.
    StaleRead,
    /// The condition of a put is ignored.
    IgnoredCondition,
    /// Only the first operation of a transaction is applied.
    PartialTransaction,
}

/// A store with a defect that occurs at random.
struct Defective {
    inner: DynamoStorage,
    defect: Defect,
    random: Mutex<Random>,
    before: Mutex<std::collections::HashMap<Key, Option<Item>>>,
}

impl Defective {
    fn occurs(&self) -> bool {
        self.random.lock().unwrap().below(3) == 0
    }
}

#[async_trait]
impl Storage for Defective {
    async fn get(&self, collection: &str, key: &Key, deadline: Deadline) -> Result<Option<Item>, Error> {
        let found = self.inner.get(collection, key, deadline).await?;
        let before = self.before.lock().unwrap().insert(key.clone(), found.clone());
        match before {
            Some(before) if matches!(self.defect, Defect::StaleRead) && self.occurs() => Ok(before),
            _ => Ok(found),
        }
    }

    async fn get_many(&self, collection: &str, keys: &[Key], deadline: Deadline) -> Result<Vec<Option<Item>>, Error> {
        self.inner.get_many(collection, keys, deadline).await
    }

    async fn put(
        &self,
        collection: &str,
        key: &Key,
        document: &str,
        options: &WriteOptions,
        deadline: Deadline,
    ) -> Result<Version, Error> {
        let ignored = matches!(self.defect, Defect::IgnoredCondition) && self.occurs();
        let options = if ignored { &WriteOptions::default() } else { options };
        self.inner.put(collection, key, document, options, deadline).await
    }

    async fn update(
        &self,
        collection: &str,
        key: &Key,
        changes: &[Change],
        options: &WriteOptions,
        deadline: Deadline,
    ) -> Result<Item, Error> {
        let before = self.inner.get(collection, key, deadline).await?;
        let updated = self.inner.update(collection, key, changes, options, deadline).await?;
        if self.occurs() {
            let always = WriteOptions::default();
            match (self.defect, before) {
                (Defect::RepeatedUpdate, _) => {
                    self.inner.update(collection, key, changes, &always, deadline).await?;
                }
                (Defect::LostUpdate, Some(before)) => {
                    self.inner.put(collection, key, &before.document, &always, deadline).await?;
                }
                (Defect::LostUpdate, None) => self.inner.delete(collection, key, None, deadline).await?,
                _ => {}
            }
        }
        Ok(updated)
    }

    async fn delete(
        &self,
        collection: &str,
        key: &Key,
        condition: Option<&Condition>,
        deadline: Deadline,
    ) -> Result<(), Error> {
        self.inner.delete(collection, key, condition, deadline).await
    }

    async fn query(
        &self,
        collection: &str,
        partition: &str,
        options: &QueryOptions,
        deadline: Deadline,
    ) -> Result<Page, Error> {
        self.inner.query(collection, partition, options, deadline).await
    }

    async fn transact(&self, operations: &[Operation], deadline: Deadline) -> Result<(), Error> {
        let partial = matches!(self.defect, Defect::PartialTransaction) && self.occurs();
        let applied = if partial { &operations[..1] } else { operations };
        self.inner.transact(applied, deadline).await
    }
}

#[tokio::test]
async fn a_defective_store_is_found() {
    for defect in [
        Defect::LostUpdate,
        Defect::RepeatedUpdate,
        Defect::StaleRead,
        Defect::IgnoredCondition,
        Defect::PartialTransaction,
    ] {
        let inner = DynamoStorage::new(memory().await, &Tables::default());
        let store = Defective { inner, defect, random: Mutex::new(Random::new(3)), before: Mutex::default() };
        let mut seed = 0;
        while Workload::new(seed).run(&store).await.violation.is_none() {
            seed += 1;
            assert!(seed < 20, "20 histories with {defect:?} were not found");
        }
    }
}
