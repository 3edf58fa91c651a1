//! Join, leave, members and count.

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, Delete, Put, ReturnValuesOnConditionCheckFailure, Select, TransactWriteItem, Update,
};
use tidegate_event::ConnectionId;
use tidegate_ports::Deadline;
use tidegate_ports::registry::{Cursor, Error, MAX_GROUPS, MemberPage, check_group, check_page_limit};

use super::DynamoRegistry;
use super::connections::is_registered;
use super::row::{self, Row};
use crate::dynamodb::expression::Placeholders;
use crate::dynamodb::tables::TTL_ATTRIBUTE;
use crate::dynamodb::token;
use crate::failure::{self, Failure};
use crate::http::retry::{self, RetryPolicy};

/// The maximum number of requests for one page, plus one per shard. See `MAX_ROUNDS` in the query module of storage.
const MAX_ROUNDS: u32 = 4;
/// The minimum number of rows that each request after the first reads.
const MIN_REFILL: usize = 100;

/// A position in a list of members: the shard, and the id after which to continue.
type Position = (u32, Option<String>);

impl DynamoRegistry {
    pub(super) async fn add_member(&self, group: &str, id: &ConnectionId, deadline: Deadline) -> Result<(), Error> {
        check_group(group)?;
        let now = self.clock.now();
        let mut names = Placeholders::default();
        let groups = names.name(row::GROUPS);
        let set = names.value(AttributeValue::Ss(vec![group.to_owned()]));
        let registered = is_registered(&mut names, now.seconds());
        let name = names.string(group);
        let limit = names.number(MAX_GROUPS);
        let room = format!("attribute_not_exists({groups}) OR contains({groups}, {name}) OR size({groups}) < {limit}");
        let connection =
            self.change_groups(id, format!("ADD {groups} {set}"), format!("{registered} AND ({room})"), names)?;
        let row = row::member(&self.partition(group, id), id, now);
        let put = Put::builder().table_name(&self.groups).set_item(Some(row)).build().map_err(incomplete)?;
        let member = TransactWriteItem::builder().put(put).build();
        match self.transact(vec![connection, member], deadline).await {
            Err(Failure::Cancelled(reasons)) => {
                let living = reasons.first().and_then(|reason| reason.item()).filter(|row| !row::has_expired(row, now));
                match living {
                    Some(_) => Err(Error::Invalid(format!("a connection is in at most {MAX_GROUPS} groups"))),
                    None => Err(Error::NotFound),
                }
            }
            result => Ok(result?),
        }
    }

    pub(super) async fn remove_member(&self, group: &str, id: &ConnectionId, deadline: Deadline) -> Result<(), Error> {
        check_group(group)?;
        let mut names = Placeholders::default();
        let groups = names.name(row::GROUPS);
        let set = names.value(AttributeValue::Ss(vec![group.to_owned()]));
        let registered = is_registered(&mut names, self.clock.now().seconds());
        let connection = self.change_groups(id, format!("DELETE {groups} {set}"), registered, names)?;
        let member = self.member_deletion(group, id)?;
        match self.transact(vec![connection, member], deadline).await {
            // An unregistered connection has no groups. A membership that outlived its connection is deleted as well.
            Err(Failure::Cancelled(_)) => Ok(self.transact(vec![self.member_deletion(group, id)?], deadline).await?),
            result => Ok(result?),
        }
    }

    fn change_groups(
        &self,
        id: &ConnectionId,
        update: String,
        condition: String,
        names: Placeholders,
    ) -> Result<TransactWriteItem, Error> {
        let (names, values) = names.into_parts();
        let update = Update::builder()
            .table_name(&self.connections)
            .set_key(Some(row::connection_key(id)))
            .update_expression(update)
            .condition_expression(condition)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(incomplete)?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    fn member_deletion(&self, group: &str, id: &ConnectionId) -> Result<TransactWriteItem, Error> {
        let key = row::member_key(&self.partition(group, id), id.as_str());
        let delete = Delete::builder().table_name(&self.groups).set_key(Some(key)).build().map_err(incomplete)?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    async fn transact(&self, items: Vec<TransactWriteItem>, deadline: Deadline) -> Result<(), Failure> {
        let request =
            self.client.transact_write_items().set_transact_items(Some(items)).client_request_token(token::random()?);
        let send = || request.clone().send();
        let answer = retry::send_with("TransactWriteItems", RetryPolicy::Safe, deadline, send, failure::cancelled);
        answer.await.map(|_| ())
    }

    pub(super) async fn read_members(
        &self,
        group: &str,
        limit: u32,
        cursor: Option<&Cursor>,
        deadline: Deadline,
    ) -> Result<MemberPage, Error> {
        check_group(group)?;
        check_page_limit(limit)?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut position = match cursor {
            Some(cursor) => Some(self.position(group, cursor)?),
            None => Some((0, None)),
        };
        let mut members: Vec<ConnectionId> = Vec::with_capacity(limit.min(256));
        let mut rounds = 0;
        while let Some((shard, start)) = position.take() {
            let missing = limit - members.len();
            let read = if rounds == 0 { missing } else { missing.max(MIN_REFILL) };
            let request = self.member_query(group, shard, start, read);
            let answer = retry::send("Query", RetryPolicy::Safe, deadline, || request.clone().send()).await?;
            let last = take(answer.items.unwrap_or_default(), limit, &mut members)?;
            position = match (last, answer.last_evaluated_key) {
                (Some(last), _) => Some((shard, Some(last))),
                (None, Some(key)) => Some((shard, Some(row::id(&key)?.into()))),
                (None, None) => (shard + 1 < self.shards.get()).then_some((shard + 1, None)),
            };
            rounds += 1;
            if members.len() >= limit || rounds >= MAX_ROUNDS.saturating_add(self.shards.get()) {
                break;
            }
        }
        let cursor = position.map(|(shard, start)| {
            let text = format!("{shard}:{}", start.unwrap_or_default());
            Cursor(token::cursor(&["members", group], &text))
        });
        Ok(MemberPage { members, cursor })
    }

    fn position(&self, group: &str, cursor: &Cursor) -> Result<Position, Error> {
        let text = token::position(&["members", group], &cursor.0);
        let position = text.as_deref().and_then(|text| {
            let (shard, start) = text.split_once(':')?;
            let shard = shard.parse().ok().filter(|shard| *shard < self.shards.get())?;
            Some((shard, (!start.is_empty()).then(|| start.to_owned())))
        });
        position.ok_or_else(|| Error::Invalid("the cursor belongs to another list of members".to_owned()))
    }

    fn member_query(&self, group: &str, shard: u32, start: Option<String>, read: usize) -> QueryFluentBuilder {
        let partition = row::partition(group, shard);
        let start = start.map(|id| row::member_key(&partition, &id));
        self.client
            .query()
            .table_name(&self.groups)
            // A broadcast after a join must reach the new member.
            .consistent_read(true)
            .key_condition_expression("#g = :g")
            // DynamoDB filters out expired rows and returns only the ids, because a broadcast reads thousands of rows.
            .filter_expression("#e > :now")
            .projection_expression("#i")
            .expression_attribute_names("#g", row::GROUP)
            .expression_attribute_names("#i", row::CONNECTION_ID)
            .expression_attribute_names("#e", TTL_ATTRIBUTE)
            .expression_attribute_values(":g", AttributeValue::S(partition))
            .expression_attribute_values(":now", AttributeValue::N(self.clock.now().seconds().to_string()))
            .limit(i32::try_from(read).unwrap_or(i32::MAX))
            .set_exclusive_start_key(start)
    }

    pub(super) async fn count_members(&self, group: &str, deadline: Deadline) -> Result<u64, Error> {
        check_group(group)?;
        let mut count = 0;
        for shard in 0..self.shards.get() {
            let mut start: Option<Row> = None;
            loop {
                let request = self.count_query(group, shard, start.take());
                let answer = retry::send("Query", RetryPolicy::Safe, deadline, || request.clone().send()).await?;
                count += u64::try_from(answer.count()).unwrap_or(0);
                start = answer.last_evaluated_key;
                if start.is_none() {
                    break;
                }
            }
        }
        Ok(count)
    }

    fn count_query(&self, group: &str, shard: u32, start: Option<Row>) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.groups)
            .select(Select::Count)
            .key_condition_expression("#g = :g")
            .filter_expression("#e > :now")
            .expression_attribute_names("#g", row::GROUP)
            .expression_attribute_names("#e", TTL_ATTRIBUTE)
            .expression_attribute_values(":g", AttributeValue::S(row::partition(group, shard)))
            .expression_attribute_values(":now", AttributeValue::N(self.clock.now().seconds().to_string()))
            .set_exclusive_start_key(start)
    }
}

/// Adds members until the page is full. Returns the id of the last added member if rows are left over.
fn take(rows: Vec<Row>, limit: usize, members: &mut Vec<ConnectionId>) -> Result<Option<String>, Error> {
    for member in rows {
        if members.len() >= limit {
            return Ok(members.last().map(|id| id.as_str().to_owned()));
        }
        members.push(row::into_id(member)?);
    }
    Ok(None)
}

/// Logs a request that was not sent because it lacks a required part, and returns the error.
fn incomplete(error: aws_sdk_dynamodb::error::BuildError) -> Error {
    tracing::error!(%error, "a request could not be built");
    Error::Unavailable
}
