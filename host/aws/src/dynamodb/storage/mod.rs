//! Documents on DynamoDB.
//!
//! - `row`: a document as a row of the table
//! - `document`, `number`: JSON text to attribute values and back
//! - `condition`, `update`: conditions and changes as expressions
//! - `write`: put, update and delete
//! - `read`: get and get-many
//! - `query`: pages of a partition
//! - `transact`: atomic writes of several documents

mod condition;
mod document;
mod number;
mod query;
mod read;
mod row;
mod transact;
mod update;
mod write;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use tidegate_ports::storage::{
    Change, Condition, Error, Item, Key, Operation, Page, QueryOptions, Version, WriteOptions,
};
use tidegate_ports::{Deadline, Storage};

use crate::dynamodb::clock::Clock;
use crate::dynamodb::tables::Tables;

/// Documents in one DynamoDB table. Clones share the client.
#[derive(Debug, Clone)]
pub struct DynamoStorage {
    client: Client,
    table: String,
    clock: Clock,
}

impl DynamoStorage {
    /// Creates storage in `tables.storage`. The client must come from [`crate::dynamodb::client`], which turns off the
    /// SDK's retries.
    #[must_use]
    pub fn new(client: Client, tables: &Tables) -> Self {
        Self { client, table: tables.storage.clone(), clock: Clock::system() }
    }

    /// Replaces the system clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }
}

#[async_trait]
impl Storage for DynamoStorage {
    async fn get(&self, collection: &str, key: &Key, deadline: Deadline) -> Result<Option<Item>, Error> {
        self.read(collection, key, deadline).await
    }

    async fn get_many(&self, collection: &str, keys: &[Key], deadline: Deadline) -> Result<Vec<Option<Item>>, Error> {
        self.read_many(collection, keys, deadline).await
    }

    async fn put(
        &self,
        collection: &str,
        key: &Key,
        document: &str,
        options: &WriteOptions,
        deadline: Deadline,
    ) -> Result<Version, Error> {
        self.write(collection, key, document, options, deadline).await
    }

    async fn update(
        &self,
        collection: &str,
        key: &Key,
        changes: &[Change],
        options: &WriteOptions,
        deadline: Deadline,
    ) -> Result<Item, Error> {
        self.change(collection, key, changes, options, deadline).await
    }

    async fn delete(
        &self,
        collection: &str,
        key: &Key,
        condition: Option<&Condition>,
        deadline: Deadline,
    ) -> Result<(), Error> {
        self.remove(collection, key, condition, deadline).await
    }

    async fn query(
        &self,
        collection: &str,
        partition: &str,
        options: &QueryOptions,
        deadline: Deadline,
    ) -> Result<Page, Error> {
        self.page(collection, partition, options, deadline).await
    }

    async fn transact(&self, operations: &[Operation], deadline: Deadline) -> Result<(), Error> {
        self.apply_all(operations, deadline).await
    }
}
