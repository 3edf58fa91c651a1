//! Connections and groups on DynamoDB.
//!
//! A connection is a row in one table, with the names of its groups. A membership is a row in the other table, so one
//! query reads the members of a group. A transaction changes both rows together.
//!
//! - `row`: a connection and a membership as rows
//! - `connections`: register, describe, attributes, list, unregister and reap
//! - `groups`: join, leave, members and count

mod connections;
mod groups;
mod row;

use std::num::NonZeroU32;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use sha2::{Digest, Sha256};
use tidegate_event::{Connection, ConnectionId};
use tidegate_ports::registry::{ConnectionPage, Cursor, Entry, Error, MemberPage};
use tidegate_ports::{Deadline, Registry};

use crate::dynamodb::clock::Clock;
use crate::dynamodb::tables::Tables;

/// The registry in two DynamoDB tables. Clones share the client.
#[derive(Debug, Clone)]
pub struct DynamoRegistry {
    client: Client,
    connections: String,
    groups: String,
    shards: NonZeroU32,
    clock: Clock,
}

impl DynamoRegistry {
    /// Creates a registry in `tables.connections` and `tables.groups`, with one shard per group. The client must come
    /// from [`crate::dynamodb::client`], which turns off the SDK's retries.
    #[must_use]
    pub fn new(client: Client, tables: &Tables) -> Self {
        Self {
            client,
            connections: tables.connections.clone(),
            groups: tables.groups.clone(),
            shards: NonZeroU32::MIN,
            clock: Clock::system(),
        }
    }

    /// Replaces the system clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Spreads the members of each group over `shards` partitions, for groups that change more often than the 1,000
    /// writes per second that one partition allows. After the number changes, existing members are no longer found.
    #[must_use]
    pub fn with_shards(mut self, shards: NonZeroU32) -> Self {
        self.shards = shards;
        self
    }

    /// Returns the partition that holds the membership of `id` in a group.
    fn partition(&self, group: &str, id: &ConnectionId) -> String {
        let shard = match self.shards.get() {
            1 => 0,
            shards => shard(id, shards),
        };
        row::partition(group, shard)
    }
}

fn shard(id: &ConnectionId, shards: u32) -> u32 {
    let hash = Sha256::digest(id.as_str());
    hash.iter().take(8).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte)).rem_euclid(u64::from(shards))
        as u32
}

#[async_trait]
impl Registry for DynamoRegistry {
    async fn register(&self, connection: &Connection, deadline: Deadline) -> Result<(), Error> {
        self.add(connection, deadline).await
    }

    async fn unregister(&self, id: &ConnectionId, deadline: Deadline) -> Result<(), Error> {
        self.remove(id, deadline).await
    }

    async fn reap(&self, id: &ConnectionId, deadline: Deadline) -> Result<bool, Error> {
        self.remove_gone(id, deadline).await
    }

    async fn describe(&self, id: &ConnectionId, deadline: Deadline) -> Result<Entry, Error> {
        self.entry(id, deadline).await
    }

    async fn set_attributes(
        &self,
        id: &ConnectionId,
        changes: &[(String, Option<String>)],
        deadline: Deadline,
    ) -> Result<(), Error> {
        self.change_attributes(id, changes, deadline).await
    }

    async fn list(&self, limit: u32, cursor: Option<&Cursor>, deadline: Deadline) -> Result<ConnectionPage, Error> {
        self.scan(limit, cursor, deadline).await
    }

    async fn join(&self, group: &str, id: &ConnectionId, deadline: Deadline) -> Result<(), Error> {
        self.add_member(group, id, deadline).await
    }

    async fn leave(&self, group: &str, id: &ConnectionId, deadline: Deadline) -> Result<(), Error> {
        self.remove_member(group, id, deadline).await
    }

    async fn members(
        &self,
        group: &str,
        limit: u32,
        cursor: Option<&Cursor>,
        deadline: Deadline,
    ) -> Result<MemberPage, Error> {
        self.read_members(group, limit, cursor, deadline).await
    }

    async fn count(&self, group: &str, deadline: Deadline) -> Result<u64, Error> {
        self.count_members(group, deadline).await
    }
}
