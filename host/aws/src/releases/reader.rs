//! The part of the store that hosts use: releases to run, and the status that hosts report.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use tidegate_event::Timestamp;
use tidegate_ports::Deadline;
use tidegate_release::envelope::MAX_ENVELOPE_BYTES;
use tidegate_release::id::ReleaseIdError;
use tidegate_release::rollout::Halt;
use tidegate_release::store::{
    CanaryCounts, Consistency, LoadFailure, LoadReport, LoadSummary, MAX_REASON_BYTES, ReleaseReader, Result,
    StoreFailure,
};
use tidegate_release::{Digest, ReleaseId, RolloutState, StoreError};

use super::failure::store_error;
use super::item::{self, Attributes, DOCUMENT, GENERATION, Item, Key, PARTITION, RELEASE, SORT};
use super::{AwsStore, artifact_key, envelope_key};
use crate::dynamodb::expression::Placeholders;
use crate::dynamodb::tables::TTL_ATTRIBUTE;
use crate::failure::{Failure, INVALID_ANSWER};
use crate::http::retry::{self, RetryPolicy};

/// The maximum size of an artifact, in bytes. A component that embeds Python and much of its library has 39 MB.
pub const MAX_ARTIFACT_BYTES: usize = 64 << 20;

const EVENTS: &str = "events";
const TRAPS: &str = "traps";
const TIMEOUTS: &str = "timeouts";
const ERRORS: &str = "errors";
const LOADED: &str = "loaded";
const FAILED: &str = "failed";
const AT: &str = "at";
const FAILURE: &str = "failure";

#[async_trait]
impl ReleaseReader for AwsStore {
    async fn rollout_state(&self, consistency: Consistency, deadline: Deadline) -> Result<RolloutState> {
        let strong = consistency == Consistency::Strong;
        match self
            .item(&self.tables.releases, &Key::rollout_state(), strong, "read the rollout state", deadline)
            .await?
        {
            Some(item) => read_state(&item),
            None => Ok(RolloutState::default()),
        }
    }

    async fn envelope(&self, release: &ReleaseId, deadline: Deadline) -> Result<Vec<u8>> {
        self.object(&envelope_key(release), MAX_ENVELOPE_BYTES, "release", deadline).await
    }

    async fn artifact(&self, digest: &Digest, size: u64, deadline: Deadline) -> Result<Vec<u8>> {
        let limit = usize::try_from(size).unwrap_or(usize::MAX).min(MAX_ARTIFACT_BYTES);
        self.object(&artifact_key(digest), limit, "artifact", deadline).await
    }

    async fn halt(&self, run: u64, deadline: Deadline) -> Result<Option<Halt>> {
        let item = self.item(self.status_table(), &Key::halt(run), true, "read the halt of a canary", deadline).await?;
        item.map(|item| item.json(DOCUMENT)).transpose()
    }

    async fn record_halt(&self, halt: &Halt, deadline: Deadline) -> Result<Halt> {
        // A halt does not expire: a halted canary must not run again merely because time has passed.
        let mut attributes = Key::halt(halt.run).attributes();
        attributes.insert(DOCUMENT.to_owned(), item::document(halt));
        let request = self
            .client
            .put_item()
            .table_name(self.status_table())
            .set_item(Some(attributes))
            .condition_expression("attribute_not_exists(#pk)")
            .expression_attribute_names("#pk", PARTITION);
        // A retry after a lost response finds the halt that the first attempt stored.
        match retry::send("PutItem", RetryPolicy::Safe, deadline, || request.clone().send()).await {
            Ok(_) => Ok(halt.clone()),
            Err(Failure::Condition) => Ok(self.halt(halt.run, deadline).await?.unwrap_or_else(|| halt.clone())),
            Err(failure) => Err(self.failed("halt a canary", failure)),
        }
    }

    async fn add_canary_counts(&self, run: u64, counts: CanaryCounts, deadline: Deadline) -> Result<CanaryCounts> {
        let numbers =
            [(EVENTS, counts.events), (TRAPS, counts.traps), (TIMEOUTS, counts.timeouts), (ERRORS, counts.errors)];
        let sum = self.add(&Key::canary(run), numbers, [], "count the events of a canary", deadline).await?;
        read_counts(&sum)
    }

    async fn canary_counts(&self, run: u64, deadline: Deadline) -> Result<CanaryCounts> {
        let attempted = "read the event counts of a canary";
        let item = self.item(self.status_table(), &Key::canary(run), true, attempted, deadline).await?;
        item.map_or_else(|| Ok(CanaryCounts::default()), |item| read_counts(&item))
    }

    async fn record_load(&self, release: &ReleaseId, report: &LoadReport, deadline: Deadline) -> Result<()> {
        let at = (AT, AttributeValue::N(report.at.millis().to_string()));
        let key = Key::release(release.as_str());
        let attempted = "record the load of a release";
        match &report.failure {
            None => self.add(&key, [(LOADED, 1)], [at], attempted, deadline).await?,
            Some(reason) => {
                let reason = bounded(reason).to_owned();
                let failure = LoadFailure { at: report.at, host: report.host.clone(), reason };
                let failure = (FAILURE, item::document(&failure));
                self.add(&key, [(FAILED, 1)], [at, failure], attempted, deadline).await?
            }
        };
        Ok(())
    }

    async fn load_reports(&self, deadline: Deadline) -> Result<BTreeMap<ReleaseId, LoadSummary>> {
        let mut reports = BTreeMap::new();
        let mut start = None;
        loop {
            let (items, next) = self.reports_page(start, deadline).await?;
            for attributes in items {
                let item = Item { table: self.status_table(), attributes };
                // DynamoDB deletes expired items late.
                if item.number_or_zero(TTL_ATTRIBUTE)? > self.clock.now().seconds() {
                    reports.insert(read_release(&item)?, read_summary(&item)?);
                }
            }
            start = next;
            if start.is_none() {
                return Ok(reports);
            }
        }
    }
}

impl AwsStore {
    /// Reads an item. Returns `None` if it does not exist.
    pub(super) async fn item<'a>(
        &self,
        table: &'a str,
        key: &Key,
        strong: bool,
        attempted: &str,
        deadline: Deadline,
    ) -> Result<Option<Item<'a>>> {
        let request = self.client.get_item().table_name(table).set_key(Some(key.attributes())).consistent_read(strong);
        let answer = retry::send("GetItem", RetryPolicy::Safe, deadline, || request.clone().send()).await;
        let answer = answer.map_err(|failure| store_error(&format!("{attempted} in the table `{table}`"), failure))?;
        Ok(answer.item.map(|attributes| Item { table, attributes }))
    }

    async fn object(&self, key: &str, limit: usize, kind: &str, deadline: Deadline) -> Result<Vec<u8>> {
        let found = self.bucket.get(key, limit, deadline).await;
        let found = found.map_err(|failure| store_error(&format!("read the {kind} {}", self.place(key)), failure))?;
        found.ok_or_else(|| {
            let what = format!("cannot read the {kind} {}", self.place(key));
            StoreError::NotFound(StoreFailure::new(what, "it does not exist"))
        })
    }

    fn status_table(&self) -> &str {
        &self.tables.release_status
    }

    fn failed(&self, attempted: &str, failure: Failure) -> StoreError {
        store_error(&format!("{attempted} in the table `{}`", self.status_table()), failure)
    }

    /// Increments attributes of a status item, and sets other attributes. Returns the new item.
    async fn add<const N: usize, const M: usize>(
        &self,
        key: &Key,
        numbers: [(&str, u64); N],
        attributes: [(&str, AttributeValue); M],
        attempted: &str,
        deadline: Deadline,
    ) -> Result<Item<'_>> {
        let mut names = Placeholders::default();
        let additions = numbers.map(|(name, number)| format!("{} {}", names.name(name), names.number(number)));
        let expiry = (TTL_ATTRIBUTE, AttributeValue::N(item::expiry(self.clock.now()).to_string()));
        let settings = attributes.into_iter().chain([expiry]);
        let settings = settings.map(|(name, value)| format!("{} = {}", names.name(name), names.value(value)));
        let settings: Vec<_> = settings.collect();
        let (names, values) = names.into_parts();
        let request = self
            .client
            .update_item()
            .table_name(self.status_table())
            .set_key(Some(key.attributes()))
            .update_expression(format!("ADD {} SET {}", additions.join(", "), settings.join(", ")))
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
            .return_values(ReturnValue::AllNew);
        // A retry after a lost response would add twice.
        let answer = retry::send("UpdateItem", RetryPolicy::Unapplied, deadline, || request.clone().send()).await;
        let attributes =
            answer.and_then(|answer| answer.attributes.ok_or_else(|| Failure::Unknown(INVALID_ANSWER.to_owned())));
        let attributes = attributes.map_err(|failure| self.failed(attempted, failure))?;
        Ok(Item { table: self.status_table(), attributes })
    }

    async fn reports_page(
        &self,
        start: Option<Attributes>,
        deadline: Deadline,
    ) -> Result<(Vec<Attributes>, Option<Attributes>)> {
        let request = self
            .client
            .query()
            .table_name(self.status_table())
            .key_condition_expression("#pk = :pk")
            .expression_attribute_names("#pk", PARTITION)
            .expression_attribute_values(":pk", AttributeValue::S(RELEASE.to_owned()))
            .set_exclusive_start_key(start);
        let answer = retry::send("Query", RetryPolicy::Safe, deadline, || request.clone().send()).await;
        let answer = answer.map_err(|failure| self.failed("read the load reports", failure))?;
        Ok((answer.items.unwrap_or_default(), answer.last_evaluated_key))
    }
}

fn read_state(item: &Item<'_>) -> Result<RolloutState> {
    let state: RolloutState = item.json(DOCUMENT)?;
    if item.number(GENERATION)? == state.generation {
        return Ok(state);
    }
    Err(item.foreign(GENERATION, &format!("the document has generation {}", state.generation)))
}

fn read_counts(item: &Item<'_>) -> Result<CanaryCounts> {
    Ok(CanaryCounts {
        events: item.number_or_zero(EVENTS)?,
        traps: item.number_or_zero(TRAPS)?,
        timeouts: item.number_or_zero(TIMEOUTS)?,
        errors: item.number_or_zero(ERRORS)?,
    })
}

fn read_release(item: &Item<'_>) -> Result<ReleaseId> {
    item.text(SORT)?.parse().map_err(|error: ReleaseIdError| item.foreign(SORT, &error.to_string()))
}

fn read_summary(item: &Item<'_>) -> Result<LoadSummary> {
    let failure = item.attributes.contains_key(FAILURE).then(|| item.json(FAILURE)).transpose()?;
    Ok(LoadSummary {
        loaded: item.number_or_zero(LOADED)?,
        failed: item.number_or_zero(FAILED)?,
        at: Timestamp(item.number(AT)?),
        failure,
    })
}

/// Truncates a reason to the maximum length.
fn bounded(reason: &str) -> &str {
    reason.get(..reason.floor_char_boundary(MAX_REASON_BYTES)).unwrap_or(reason)
}
