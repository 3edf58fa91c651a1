//! The operations get and get-many.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::KeysAndAttributes;
use tidegate_ports::Deadline;
use tidegate_ports::storage::{Error, Item, Key, check_keys};

use super::document::Members;
use super::{DynamoStorage, row};
use crate::failure::Failure;
use crate::http::retry::{self, Backoff, RetryPolicy};

impl DynamoStorage {
    pub(super) async fn read(&self, collection: &str, key: &Key, deadline: Deadline) -> Result<Option<Item>, Error> {
        let request = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(row::key(collection, key)?))
            .consistent_read(true);
        let answer = retry::send("GetItem", RetryPolicy::Safe, deadline, || request.clone().send()).await?;
        answer.item().map_or(Ok(None), |found| self.living(key, found))
    }

    /// Returns the item of a row, or `None` if it has expired.
    fn living(&self, key: &Key, found: &Members) -> Result<Option<Item>, Error> {
        if row::has_expired(found, self.clock.now()) {
            return Ok(None);
        }
        row::item(key.clone(), found).map(Some)
    }

    pub(super) async fn read_many(
        &self,
        collection: &str,
        keys: &[Key],
        deadline: Deadline,
    ) -> Result<Vec<Option<Item>>, Error> {
        check_keys(keys)?;
        // DynamoDB rejects a request with a duplicate key.
        let mut wanted: HashMap<&Key, Members> = HashMap::with_capacity(keys.len());
        for key in keys {
            wanted.insert(key, row::key(collection, key)?);
        }
        let mut found = HashMap::with_capacity(wanted.len());
        for row in self.fetch(wanted.into_values().collect(), deadline).await? {
            if let (Some(partition), Some(sort)) = (row.get(row::PARTITION), row::sort_key(&row)) {
                found.insert((partition.as_s().ok().cloned(), sort.to_owned()), row);
            }
        }
        keys.iter()
            .map(|key| {
                let partition = row::partition_key(collection, &key.partition)?;
                let row = found.get(&(partition.as_s().ok().cloned(), key.sort.clone()));
                row.map_or(Ok(None), |row| self.living(key, row))
            })
            .collect()
    }

    /// Reads rows. Repeats the request for rows that DynamoDB leaves out because of their size or because of load.
    async fn fetch(&self, mut keys: Vec<Members>, deadline: Deadline) -> Result<Vec<Members>, Failure> {
        let mut rows = Vec::with_capacity(keys.len());
        let mut backoff = Backoff::default();
        while !keys.is_empty() {
            let batch = KeysAndAttributes::builder()
                .set_keys(Some(std::mem::take(&mut keys)))
                .consistent_read(true)
                .build()
                .map_err(Failure::not_built)?;
            let request = self.client.batch_get_item().request_items(&self.table, batch);
            let mut answer =
                retry::send("BatchGetItem", RetryPolicy::Safe, deadline, || request.clone().send()).await?;
            let before = rows.len();
            rows.extend(answer.responses.take().into_iter().flat_map(HashMap::into_values).flatten());
            keys = answer
                .unprocessed_keys
                .take()
                .into_iter()
                .flat_map(HashMap::into_values)
                .flat_map(|batch| batch.keys)
                .collect();
            // If rows arrived, the response was full, so the next request needs no pause.
            if !keys.is_empty() && rows.len() == before && !backoff.pause(deadline).await {
                return Err(Failure::Throttled);
            }
        }
        Ok(rows)
    }
}
