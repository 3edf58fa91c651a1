//! Atomic writes of several documents.

use std::collections::HashSet;

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{CancellationReason, ConditionCheck, Delete, Put, TransactWriteItem, Update};
use tidegate_ports::Deadline;
use tidegate_ports::storage::{Action, Change, Condition, Error, Operation, WriteOptions, check_operations};

use super::document::{self, Members};
use super::update::Changes;
use super::{DynamoStorage, condition, row};
use crate::dynamodb::token;
use crate::failure::{self, Failure};
use crate::http::retry::{self, RetryPolicy};

/// DynamoDB's maximum total size of the items in a transaction.
const MAX_BYTES: usize = 4 << 20;
/// The maximum number of attempts. After the first attempt, updates whose rows have expired are sent as puts.
const MAX_ROUNDS: usize = 4;

impl DynamoStorage {
    pub(super) async fn apply_all(&self, operations: &[Operation], deadline: Deadline) -> Result<(), Error> {
        check_operations(operations)?;
        // The positions of updates whose rows have expired. These updates are sent as puts.
        let mut renewed = HashSet::new();
        for _ in 0..MAX_ROUNDS {
            let items = self.items(operations, &renewed)?;
            match self.send_all(items, deadline).await {
                Ok(()) => return Ok(()),
                Err(Failure::Cancelled(reasons)) => {
                    let switched = switched(operations, &reasons);
                    if switched.is_empty() {
                        return Err(Error::Conflict);
                    }
                    renewed = renewed.symmetric_difference(&switched).copied().collect();
                }
                Err(failure) => return Err(failure.into()),
            }
        }
        Err(Error::Conflict)
    }

    fn items(&self, operations: &[Operation], renewed: &HashSet<usize>) -> Result<Vec<TransactWriteItem>, Error> {
        let mut size = 0;
        let mut items = Vec::with_capacity(operations.len());
        for (index, operation) in operations.iter().enumerate() {
            let key = row::key(&operation.collection, &operation.key)?;
            let item = match &operation.action {
                Action::Put(document, options) => {
                    self.put(key, document::read(document)?, options, options.condition.as_ref(), &mut size)?
                }
                Action::Update(changes, options) => {
                    let renew = renewed.contains(&index) || options.condition == Some(Condition::Absent);
                    self.update_or_put(key, changes, options, renew, &mut size)?
                }
                Action::Delete(wanted) => self.delete(key, wanted.as_ref())?,
                Action::Check(wanted) => self.check(key, wanted)?,
            };
            items.push(item);
            // Later documents are not parsed.
            if size > MAX_BYTES {
                return Err(Error::TooLarge);
            }
        }
        Ok(items)
    }

    fn put(
        &self,
        key: Members,
        document: Members,
        options: &WriteOptions,
        wanted: Option<&Condition>,
        size: &mut usize,
    ) -> Result<TransactWriteItem, Error> {
        let row = row::row(key, document, &token::random()?, options.expires_at)?;
        *size += document::size(&row);
        let mut put = Put::builder().table_name(&self.table).set_item(Some(row));
        if let Some(wanted) = wanted {
            let (expression, (names, values)) = condition::alone(wanted, self.clock.now());
            put = put
                .condition_expression(expression)
                .set_expression_attribute_names(names)
                .set_expression_attribute_values(values);
        }
        let put = put.build().map_err(incomplete)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    fn update_or_put(
        &self,
        key: Members,
        changes: &[Change],
        options: &WriteOptions,
        renew: bool,
        size: &mut usize,
    ) -> Result<TransactWriteItem, Error> {
        let changes = Changes::read(changes)?;
        if renew {
            return self.put(key, changes.fresh()?, options, Some(&Condition::Absent), size);
        }
        // The stored members count too, but only DynamoDB knows their size.
        *size += changes.size();
        let update = changes.expressions(&token::random()?, options, self.clock.now())?;
        let (names, values) = update.placeholders.into_parts();
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(key))
            .update_expression(update.update)
            .condition_expression(update.condition)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
            .build()
            .map_err(incomplete)?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    fn delete(&self, key: Members, wanted: Option<&Condition>) -> Result<TransactWriteItem, Error> {
        let mut delete = Delete::builder().table_name(&self.table).set_key(Some(key));
        if let Some(wanted) = wanted {
            let (expression, (names, values)) = condition::alone(wanted, self.clock.now());
            delete = delete
                .condition_expression(expression)
                .set_expression_attribute_names(names)
                .set_expression_attribute_values(values);
        }
        let delete = delete.build().map_err(incomplete)?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    fn check(&self, key: Members, wanted: &Condition) -> Result<TransactWriteItem, Error> {
        let (expression, (names, values)) = condition::alone(wanted, self.clock.now());
        let check = ConditionCheck::builder()
            .table_name(&self.table)
            .set_key(Some(key))
            .condition_expression(expression)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
            .build()
            .map_err(incomplete)?;
        Ok(TransactWriteItem::builder().condition_check(check).build())
    }

    /// Sends a transaction. The token makes requests that are repeated within ten minutes idempotent.
    async fn send_all(&self, items: Vec<TransactWriteItem>, deadline: Deadline) -> Result<(), Failure> {
        let token = token::random()?;
        let request = self.client.transact_write_items().set_transact_items(Some(items)).client_request_token(token);
        let send = || request.clone().send();
        let answer = retry::send_with("TransactWriteItems", RetryPolicy::Safe, deadline, send, failure::cancelled);
        answer.await.map(|_| ())
    }
}

/// Returns the positions of updates to send in their other form: as a put instead of an update, or the reverse. The set
/// is empty if the transaction failed because of a guest's condition.
///
/// An update without a guest's condition has an implicit one. Sent as an update, it fails if the row has expired. Sent
/// as a put, it fails if the row has not expired. In both cases the other form is the right one.
fn switched(operations: &[Operation], reasons: &[CancellationReason]) -> HashSet<usize> {
    let mut switched = HashSet::new();
    for (index, (operation, reason)) in operations.iter().zip(reasons).enumerate() {
        if reason.code() != Some("ConditionalCheckFailed") {
            continue;
        }
        match &operation.action {
            Action::Update(_, WriteOptions { condition: None, .. }) => switched.insert(index),
            _ => return HashSet::new(),
        };
    }
    switched
}

/// Logs a request that was not sent because it lacks a required part, and returns the error.
fn incomplete(error: BuildError) -> Error {
    tracing::error!(%error, "a request could not be built");
    Error::Unavailable
}
