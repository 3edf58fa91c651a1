//! The ports of an authorizer: it has no table and no `@connections`, and so no clients for them.
//!
//! An authorizer's component cannot be granted these, so only an event that was sent to the wrong function comes here.

use async_trait::async_trait;
use tidegate_event::{Connection, ConnectionId, Payload};
use tidegate_ports::Deadline;
use tidegate_ports::messaging::{self, Messaging, Socket};
use tidegate_ports::registry::{self, ConnectionPage, Cursor, Entry, MemberPage, Registry};
use tidegate_ports::storage::{
    self, Change, Condition, Item, Key, Operation, Page, QueryOptions, Storage, Version, WriteOptions,
};

/// Ports behind which there is nothing.
pub(crate) struct Closed;

type Stored<T> = Result<T, storage::Error>;
type Registered<T> = Result<T, registry::Error>;
type Sent<T> = Result<T, messaging::Error>;

#[async_trait]
impl Storage for Closed {
    async fn get(&self, _: &str, _: &Key, _: Deadline) -> Stored<Option<Item>> {
        Err(storage::Error::Unavailable)
    }

    async fn get_many(&self, _: &str, _: &[Key], _: Deadline) -> Stored<Vec<Option<Item>>> {
        Err(storage::Error::Unavailable)
    }

    async fn put(&self, _: &str, _: &Key, _: &str, _: &WriteOptions, _: Deadline) -> Stored<Version> {
        Err(storage::Error::Unavailable)
    }

    async fn update(&self, _: &str, _: &Key, _: &[Change], _: &WriteOptions, _: Deadline) -> Stored<Item> {
        Err(storage::Error::Unavailable)
    }

    async fn delete(&self, _: &str, _: &Key, _: Option<&Condition>, _: Deadline) -> Stored<()> {
        Err(storage::Error::Unavailable)
    }

    async fn query(&self, _: &str, _: &str, _: &QueryOptions, _: Deadline) -> Stored<Page> {
        Err(storage::Error::Unavailable)
    }

    async fn transact(&self, _: &[Operation], _: Deadline) -> Stored<()> {
        Err(storage::Error::Unavailable)
    }
}

#[async_trait]
impl Registry for Closed {
    async fn register(&self, _: &Connection, _: Deadline) -> Registered<()> {
        Err(registry::Error::Invalid("this function is the authorizer, and keeps no connections".to_owned()))
    }

    async fn unregister(&self, _: &ConnectionId, _: Deadline) -> Registered<()> {
        Ok(())
    }

    async fn reap(&self, _: &ConnectionId, _: Deadline) -> Registered<bool> {
        Ok(false)
    }

    async fn describe(&self, _: &ConnectionId, _: Deadline) -> Registered<Entry> {
        Err(registry::Error::NotFound)
    }

    async fn set_attributes(&self, _: &ConnectionId, _: &[(String, Option<String>)], _: Deadline) -> Registered<()> {
        Err(registry::Error::NotFound)
    }

    async fn list(&self, _: u32, _: Option<&Cursor>, _: Deadline) -> Registered<ConnectionPage> {
        Err(registry::Error::Unavailable)
    }

    async fn join(&self, _: &str, _: &ConnectionId, _: Deadline) -> Registered<()> {
        Err(registry::Error::NotFound)
    }

    async fn leave(&self, _: &str, _: &ConnectionId, _: Deadline) -> Registered<()> {
        Err(registry::Error::NotFound)
    }

    async fn members(&self, _: &str, _: u32, _: Option<&Cursor>, _: Deadline) -> Registered<MemberPage> {
        Err(registry::Error::Unavailable)
    }

    async fn count(&self, _: &str, _: Deadline) -> Registered<u64> {
        Err(registry::Error::Unavailable)
    }
}

#[async_trait]
impl Messaging for Closed {
    async fn send(&self, _: &ConnectionId, _: &Payload, _: Deadline) -> Sent<()> {
        Err(messaging::Error::Forbidden)
    }

    async fn send_many(&self, to: &[ConnectionId], _: &Payload, _: Deadline) -> Vec<Sent<()>> {
        vec![Err(messaging::Error::Forbidden); to.len()]
    }

    async fn deliver_deferred(&self, _: &ConnectionId, _: &[Payload], _: Deadline) -> usize {
        0
    }

    async fn describe(&self, _: &ConnectionId, _: Deadline) -> Sent<Socket> {
        Err(messaging::Error::Forbidden)
    }

    async fn close(&self, _: &ConnectionId, _: Deadline) -> Sent<()> {
        Err(messaging::Error::Forbidden)
    }
}
