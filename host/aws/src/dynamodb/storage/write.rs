//! The operations put, update and delete.
//!
//! A write whose response was lost is never sent again. Another caller may have read and replaced it in the meantime,
//! and would lose an acknowledged write. Each put and each update has its own version, so the row shows that the write
//! was applied.

use aws_sdk_dynamodb::types::ReturnValue;
use tidegate_ports::Deadline;
use tidegate_ports::storage::{Change, Condition, Error, Item, Key, Version, WriteOptions};

use super::document::{self, Members};
use super::update::{Changes, Expressions};
use super::{DynamoStorage, condition, row};
use crate::dynamodb::expression::Placeholders;
use crate::dynamodb::token;
use crate::failure::{Failure, INVALID_ANSWER};
use crate::http::retry::{self, RetryPolicy};

/// The maximum number of attempts to replace an expired row while other calls do the same.
const MAX_ROUNDS: usize = 4;

impl DynamoStorage {
    pub(super) async fn write(
        &self,
        collection: &str,
        key: &Key,
        document: &str,
        options: &WriteOptions,
        deadline: Deadline,
    ) -> Result<Version, Error> {
        let version = token::random()?;
        let key = row::key(collection, key)?;
        let row = row::row(key, document::read(document)?, &version, options.expires_at)?;
        self.put_row(row, &version, options.condition.as_ref(), deadline).await?;
        Ok(Version(version))
    }

    /// Writes a whole row, which has this version.
    async fn put_row(
        &self,
        row: Members,
        version: &str,
        wanted: Option<&Condition>,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        let mut request = self.client.put_item().table_name(&self.table).set_item(Some(row));
        if let Some(wanted) = wanted {
            let (expression, (names, values)) = condition::alone(wanted, self.clock.now());
            request = request
                .condition_expression(expression)
                .set_expression_attribute_names(names)
                .set_expression_attribute_values(values);
        }
        match retry::send("PutItem", retry_policy(deadline), deadline, || request.clone().send()).await {
            Ok(_) => Ok(()),
            Err(Failure::Unknown(reason)) => {
                // The same row again changes nothing, and needs no permission to read.
                let mut names = Placeholders::default();
                let written = condition::written(&mut names, version);
                let (names, values) = names.into_parts();
                let request = request
                    .condition_expression(written)
                    .set_expression_attribute_names(names)
                    .set_expression_attribute_values(values);
                let sent = retry::send("PutItem", RetryPolicy::Safe, deadline, || request.clone().send()).await;
                sent.map(|_| ()).map_err(|_| Failure::Unknown(reason))
            }
            Err(failure) => Err(failure),
        }
    }

    pub(super) async fn remove(
        &self,
        collection: &str,
        key: &Key,
        wanted: Option<&Condition>,
        deadline: Deadline,
    ) -> Result<(), Error> {
        let key = row::key(collection, key)?;
        let mut request = self.client.delete_item().table_name(&self.table).set_key(Some(key));
        if let Some(wanted) = wanted {
            let (expression, (names, values)) = condition::alone(wanted, self.clock.now());
            request = request
                .condition_expression(expression)
                .set_expression_attribute_names(names)
                .set_expression_attribute_values(values);
        }
        retry::send("DeleteItem", RetryPolicy::Unapplied, deadline, || request.clone().send()).await?;
        Ok(())
    }

    pub(super) async fn change(
        &self,
        collection: &str,
        key: &Key,
        changes: &[Change],
        options: &WriteOptions,
        deadline: Deadline,
    ) -> Result<Item, Error> {
        let changes = Changes::read(changes)?;
        let key_row = row::key(collection, key)?;
        if options.condition == Some(Condition::Absent) {
            return self.replace_expired(key, key_row, &changes, options, deadline).await;
        }
        for _ in 0..MAX_ROUNDS {
            let version = token::random()?;
            let expressions = changes.expressions(&version, options, self.clock.now())?;
            match self.update_row(key_row.clone(), expressions, &version, deadline).await {
                Ok(row) => return row::item(key.clone(), &row),
                // Only the implicit condition can be false: the row has expired and must be replaced.
                Err(Failure::Condition) if options.condition.is_none() => {}
                Err(failure) => return Err(failure.into()),
            }
            match self.replace_expired(key, key_row.clone(), &changes, options, deadline).await {
                // Another call has replaced the row, so the update applies to the new row.
                Err(Error::Conflict) => {}
                result => return result,
            }
        }
        Err(Error::Conflict)
    }

    /// Applies the changes to an empty document, and writes the document if there is no row or the row has expired.
    async fn replace_expired(
        &self,
        key: &Key,
        key_row: Members,
        changes: &Changes<'_>,
        options: &WriteOptions,
        deadline: Deadline,
    ) -> Result<Item, Error> {
        let version = token::random()?;
        let row = row::row(key_row, changes.fresh()?, &version, options.expires_at)?;
        let item = row::item(key.clone(), &row)?;
        self.put_row(row, &version, Some(&Condition::Absent), deadline).await?;
        Ok(item)
    }

    /// Updates a row, which then has this version.
    async fn update_row(
        &self,
        key: Members,
        update: Expressions,
        version: &str,
        deadline: Deadline,
    ) -> Result<Members, Failure> {
        let (names, values) = update.placeholders.into_parts();
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key))
            .update_expression(update.update)
            .condition_expression(update.condition)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
            .return_values(ReturnValue::AllNew);
        let invalid = || Failure::Unknown(INVALID_ANSWER.to_owned());
        let sent = retry::send("UpdateItem", retry_policy(deadline), deadline, || request.clone().send()).await;
        match sent.and_then(|answer| answer.attributes.ok_or_else(invalid)) {
            Err(Failure::Unknown(reason)) => {
                let mut names = Placeholders::default();
                let written = condition::written(&mut names, version);
                let (names, values) = names.into_parts();
                // The version again changes nothing, and the response has the row.
                let request = request
                    .update_expression(format!("SET {written}"))
                    .condition_expression(written)
                    .set_expression_attribute_names(names)
                    .set_expression_attribute_values(values);
                let sent = retry::send("UpdateItem", RetryPolicy::Safe, deadline, || request.clone().send()).await;
                sent.ok().and_then(|answer| answer.attributes).ok_or(Failure::Unknown(reason))
            }
            result => result,
        }
    }
}

/// Half of the time is left for finding out whether a write was applied.
fn retry_policy(deadline: Deadline) -> RetryPolicy {
    RetryPolicy::UnappliedWithin(deadline.remaining() / 2)
}
