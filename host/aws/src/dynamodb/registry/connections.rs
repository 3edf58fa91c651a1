//! The operations register, describe, set-attributes, list, unregister and reap.

use aws_sdk_dynamodb::operation::delete_item::builders::DeleteItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, DeleteRequest, ReturnValue, WriteRequest};
use tidegate_event::{Connection, ConnectionId};
use tidegate_ports::Deadline;
use tidegate_ports::registry::{
    ConnectionPage, Cursor, Entry, Error, MAX_ATTRIBUTE_BYTES, MAX_ATTRIBUTES, REAP_AGE, check_page_limit,
};

use super::DynamoRegistry;
use super::row::{self, Row};
use crate::dynamodb::expression::Placeholders;
use crate::dynamodb::tables::TTL_ATTRIBUTE;
use crate::dynamodb::token;
use crate::failure::Failure;
use crate::http::retry::{self, ATTEMPT, Backoff, RetryPolicy};

/// The maximum number of requests for one page. See `MAX_ROUNDS` in the query module of storage.
const MAX_ROUNDS: usize = 4;
/// The maximum number of requests in one BatchWriteItem.
const BATCH: usize = 25;
const LIST_SCOPE: [&str; 1] = ["list"];

impl DynamoRegistry {
    pub(super) async fn add(&self, connection: &Connection, deadline: Deadline) -> Result<(), Error> {
        let now = self.clock.now();
        let mut names = Placeholders::default();
        let registered = is_registered(&mut names, now.seconds());
        let (names, values) = names.into_parts();
        let request = self
            .client
            .put_item()
            .table_name(&self.connections)
            .set_item(Some(row::connection(connection, now)))
            .condition_expression(format!("NOT ({registered})"))
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values);
        match retry::send("PutItem", RetryPolicy::Safe, deadline, || request.clone().send()).await {
            // A connection id is used once, so another attempt of this call has written the row. A late attempt must
            // leave the row alone, because the guest may have changed it in the meantime.
            Ok(_) | Err(Failure::Condition) => Ok(()),
            Err(failure) => Err(failure.into()),
        }
    }

    pub(super) async fn entry(&self, id: &ConnectionId, deadline: Deadline) -> Result<Entry, Error> {
        row::entry(&self.living_row(id, deadline).await?)
    }

    async fn living_row(&self, id: &ConnectionId, deadline: Deadline) -> Result<Row, Error> {
        let request = self
            .client
            .get_item()
            .table_name(&self.connections)
            .set_key(Some(row::connection_key(id)))
            .consistent_read(true);
        let answer = retry::send("GetItem", RetryPolicy::Safe, deadline, || request.clone().send()).await?;
        answer.item.filter(|row| !row::has_expired(row, self.clock.now())).ok_or(Error::NotFound)
    }

    /// Reads the attributes, and writes them if they have not changed in the meantime. Without this condition, two
    /// events that set attributes at the same time could exceed the limits.
    pub(super) async fn change_attributes(
        &self,
        id: &ConnectionId,
        changes: &[(String, Option<String>)],
        deadline: Deadline,
    ) -> Result<(), Error> {
        check_changes(changes)?;
        let mut backoff = Backoff::default();
        loop {
            let row = self.living_row(id, deadline).await?;
            let old = row::attributes(&row);
            let new = changed(&old, changes)?;
            if new == old {
                return Ok(());
            }
            match self.replace_attributes(id, old, new, deadline).await {
                Ok(()) => return Ok(()),
                Err(Failure::Condition) if backoff.pause(deadline).await => {}
                Err(Failure::Condition) => return Err(Error::Throttled),
                Err(Failure::Unknown(reason)) => {
                    // The request is not sent again, because it may still arrive.
                    let now = row::attributes(&self.living_row(id, deadline).await?);
                    let applied = changed(&now, changes)? == now;
                    return if applied { Ok(()) } else { Err(Failure::Unknown(reason).into()) };
                }
                Err(failure) => return Err(failure.into()),
            }
        }
    }

    async fn replace_attributes(
        &self,
        id: &ConnectionId,
        old: Row,
        new: Row,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        let mut names = Placeholders::default();
        let attributes = names.name(row::ATTRIBUTES);
        let update = format!("SET {attributes} = {}", names.value(AttributeValue::M(new)));
        // The condition is false for a deleted row. The next read then finds that the row does not exist.
        let condition = format!("{attributes} = {}", names.value(AttributeValue::M(old)));
        let (names, values) = names.into_parts();
        let request = self
            .client
            .update_item()
            .table_name(&self.connections)
            .set_key(Some(row::connection_key(id)))
            .update_expression(update)
            .condition_expression(condition)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values);
        // Half of the time is left for finding out whether the attributes were written.
        let policy = RetryPolicy::UnappliedWithin(deadline.remaining() / 2);
        retry::send("UpdateItem", policy, deadline, || request.clone().send()).await.map(|_| ())
    }

    pub(super) async fn scan(
        &self,
        limit: u32,
        cursor: Option<&Cursor>,
        deadline: Deadline,
    ) -> Result<ConnectionPage, Error> {
        check_page_limit(limit)?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut start = cursor.map(start_key).transpose()?;
        let mut connections = Vec::new();
        for _ in 0..MAX_ROUNDS {
            let missing = i32::try_from(limit - connections.len()).unwrap_or(i32::MAX);
            let request = self
                .client
                .scan()
                .table_name(&self.connections)
                .consistent_read(true)
                .limit(missing)
                .set_exclusive_start_key(start.take());
            let answer = retry::send("Scan", RetryPolicy::Safe, deadline, || request.clone().send()).await?;
            let now = self.clock.now();
            for row in answer.items().iter().filter(|row| !row::has_expired(row, now)) {
                connections.push(row::read(row)?);
            }
            start = answer.last_evaluated_key;
            if start.is_none() || connections.len() >= limit {
                break;
            }
        }
        let cursor = match &start {
            Some(key) => Some(Cursor(token::cursor(&LIST_SCOPE, row::id(key)?.as_str()))),
            None => None,
        };
        Ok(ConnectionPage { connections, cursor })
    }

    pub(super) async fn remove(&self, id: &ConnectionId, deadline: Deadline) -> Result<(), Error> {
        // `$disconnect` is often the first event after a freeze, when a pooled connection may be dead. The first
        // attempt therefore does not wait until the deadline.
        let shortly = deadline.min(Deadline::after(ATTEMPT));
        let unknown = match self.delete(self.deletion(id), RetryPolicy::Unapplied, shortly).await {
            Ok(old) => return self.remove_memberships(id, old, deadline).await,
            Err(Failure::Unknown(_)) => true,
            Err(failure) if failure.is_temporary() && shortly < deadline => false,
            Err(failure) => return Err(failure.into()),
        };
        // The first attempt may have deleted the row, and the names of the groups with it. In that case, the
        // memberships stay until they expire, and the caller receives an error.
        let old = self.delete(self.deletion(id), RetryPolicy::Unapplied, deadline).await?;
        if unknown && old.is_none() {
            return Err(Error::Unavailable);
        }
        self.remove_memberships(id, old, deadline).await
    }

    pub(super) async fn remove_gone(&self, id: &ConnectionId, deadline: Deadline) -> Result<bool, Error> {
        let cutoff = self.clock.now().millis().saturating_sub(u64::try_from(REAP_AGE.as_millis()).unwrap_or(u64::MAX));
        let mut names = Placeholders::default();
        let condition = format!("{} <= {}", names.name(row::CONNECTED_AT), names.number(cutoff));
        let (names, values) = names.into_parts();
        let request = self
            .deletion(id)
            .condition_expression(condition)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values);
        match self.delete(request, RetryPolicy::Unapplied, deadline).await {
            Ok(old) => self.remove_memberships(id, old, deadline).await.map(|()| true),
            Err(Failure::Condition) => Ok(false),
            Err(failure) => Err(failure.into()),
        }
    }

    fn deletion(&self, id: &ConnectionId) -> DeleteItemFluentBuilder {
        self.client
            .delete_item()
            .table_name(&self.connections)
            .set_key(Some(row::connection_key(id)))
            .return_values(ReturnValue::AllOld)
    }

    async fn delete(
        &self,
        request: DeleteItemFluentBuilder,
        repeat: RetryPolicy,
        deadline: Deadline,
    ) -> Result<Option<Row>, Failure> {
        let answer = retry::send("DeleteItem", repeat, deadline, || request.clone().send()).await?;
        Ok(answer.attributes)
    }

    async fn remove_memberships(&self, id: &ConnectionId, old: Option<Row>, deadline: Deadline) -> Result<(), Error> {
        let Some(old) = old else { return Ok(()) };
        let mut requests = Vec::new();
        for group in row::groups(&old) {
            let key = row::member_key(&self.partition(&group, id), id.as_str());
            let delete = DeleteRequest::builder().set_key(Some(key)).build().map_err(Failure::not_built)?;
            requests.push(WriteRequest::builder().delete_request(delete).build());
        }
        for batch in requests.chunks(BATCH) {
            self.write_batch(batch.to_vec(), deadline).await?;
        }
        Ok(())
    }

    /// Writes a batch. Repeats the requests that DynamoDB leaves unprocessed under load.
    async fn write_batch(&self, mut batch: Vec<WriteRequest>, deadline: Deadline) -> Result<(), Failure> {
        let mut backoff = Backoff::default();
        while !batch.is_empty() {
            let request = self.client.batch_write_item().request_items(&self.groups, std::mem::take(&mut batch));
            let answer = retry::send("BatchWriteItem", RetryPolicy::Safe, deadline, || request.clone().send()).await?;
            batch = answer.unprocessed_items.into_iter().flatten().flat_map(|(_, requests)| requests).collect();
            if !batch.is_empty() && !backoff.pause(deadline).await {
                return Err(Failure::Throttled);
            }
        }
        Ok(())
    }
}

fn start_key(cursor: &Cursor) -> Result<Row, Error> {
    let id = token::position(&LIST_SCOPE, &cursor.0).and_then(|text| ConnectionId::new(text).ok());
    let id = id.ok_or_else(|| Error::Invalid("the cursor does not belong to this list".to_owned()))?;
    Ok(row::connection_key(&id))
}

fn check_changes(changes: &[(String, Option<String>)]) -> Result<(), Error> {
    if changes.iter().any(|(name, _)| name.is_empty()) {
        return Err(Error::Invalid("the name of an attribute is empty".to_owned()));
    }
    // Stored attributes are within the limits, so changes larger than twice the limits cannot succeed.
    let size: usize = changes.iter().map(|(name, value)| name.len() + value.as_ref().map_or(0, String::len)).sum();
    if changes.len() > 2 * MAX_ATTRIBUTES || size > 2 * MAX_ATTRIBUTE_BYTES {
        return Err(Error::Invalid("the attributes are too many or too large".to_owned()));
    }
    Ok(())
}

/// Applies the changes in order.
fn changed(old: &Row, changes: &[(String, Option<String>)]) -> Result<Row, Error> {
    let mut new = old.clone();
    for (name, value) in changes {
        match value {
            Some(value) => new.insert(name.clone(), AttributeValue::S(value.clone())),
            None => new.remove(name),
        };
    }
    if new.len() > MAX_ATTRIBUTES {
        return Err(Error::Invalid(format!("a connection has at most {MAX_ATTRIBUTES} attributes")));
    }
    let size: usize = new.iter().map(|(name, value)| name.len() + value.as_s().map_or(0, |value| value.len())).sum();
    if size > MAX_ATTRIBUTE_BYTES {
        return Err(Error::Invalid(format!("a connection's attributes have at most {MAX_ATTRIBUTE_BYTES} bytes")));
    }
    Ok(new)
}

/// Returns a condition that is true if the connection's row exists and has not expired.
pub(super) fn is_registered(names: &mut Placeholders, seconds: u64) -> String {
    let id = names.name(row::CONNECTION_ID);
    let expires = names.name(TTL_ATTRIBUTE);
    format!("attribute_exists({id}) AND {expires} > {}", names.number(seconds))
}
