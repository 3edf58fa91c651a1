//! The part of the store that only the command line uses: publishing, activating and pruning.

use std::collections::BTreeMap;
use std::str::FromStr;

use async_trait::async_trait;
use aws_sdk_dynamodb::types::{AttributeValue, CancellationReason, Put as PutItem, TransactWriteItem};
use tidegate_event::Timestamp;
use tidegate_ports::Deadline;
use tidegate_release::envelope::MAX_ENVELOPE_BYTES;
use tidegate_release::rollout::Change;
use tidegate_release::store::{ReleaseWriter, Result, Stored};
use tidegate_release::{Digest, ReleaseId, RolloutState, StoreError};

use super::failure::store_error;
use super::item::{self, DOCUMENT, GENERATION, HISTORY, Item, Key, PARTITION, TOKEN};
use super::reader::MAX_ARTIFACT_BYTES;
use super::{ARTIFACTS, AwsStore, JSON, RELEASES, artifact_key, envelope_key};
use crate::dynamodb::token;
use crate::failure::{self, Failure};
use crate::http::retry::{self, RetryPolicy};
use crate::s3::Put;

#[async_trait]
impl ReleaseWriter for AwsStore {
    async fn put_artifact(&self, bytes: &[u8], deadline: Deadline) -> Result<bool> {
        let key = artifact_key(&Digest::of(bytes));
        if bytes.len() > MAX_ARTIFACT_BYTES {
            let problem = format!("it has {} bytes, and hosts read at most {MAX_ARTIFACT_BYTES}", bytes.len());
            return Err(StoreError::Invalid(format!("cannot store the artifact {}: {problem}", self.place(&key))));
        }
        // Most artifacts of a release are those of the one before, and may be too large to send for nothing.
        if self.bucket.has(&key, deadline).await {
            return Ok(false);
        }
        match self.bucket.put_new(&key, bytes, deadline).await {
            Ok(Put::New) => Ok(true),
            Ok(Put::Present { perhaps_ours }) => Ok(perhaps_ours),
            Err(failure) => Err(store_error(&format!("store the artifact {}", self.place(&key)), failure)),
        }
    }

    async fn put_envelope(&self, release: &ReleaseId, envelope: &[u8], deadline: Deadline) -> Result<Stored> {
        let key = envelope_key(release);
        let failed = |failure| store_error(&format!("store the release {}", self.place(&key)), failure);
        // A part of the time is kept for reading what is stored, should there be no answer.
        let sending = deadline.earlier(deadline.remaining() / 4);
        let (perhaps_ours, unknown) = match self.bucket.put_new(&key, envelope, sending).await {
            Ok(Put::New) => return Ok(Stored::New),
            Ok(Put::Present { perhaps_ours }) => (perhaps_ours, None),
            Err(Failure::Unknown(reason)) => (true, Some(Failure::Unknown(reason))),
            Err(failure) => return Err(failed(failure)),
        };
        match (self.bucket.get(&key, MAX_ENVELOPE_BYTES, deadline).await, unknown) {
            (Ok(Some(stored)), _) if perhaps_ours && stored == envelope => Ok(Stored::New),
            (Ok(Some(stored)), _) => Ok(Stored::Already(stored)),
            (_, Some(unknown)) => Err(failed(unknown)),
            (Ok(None), None) => Err(StoreError::Conflict(format!(
                "the release {} was removed while it was stored; hint: create it anew",
                self.place(&key)
            ))),
            (Err(failure), None) => Err(failed(failure)),
        }
    }

    async fn compare_and_set(&self, next: &RolloutState, change: &Change, deadline: Deadline) -> Result<()> {
        let failed =
            |failure| store_error(&format!("move the pointer in the table `{}`", self.tables.releases), failure);
        let token = token::random().map_err(failed)?;
        let items = self.items(next, change, &token).map_err(failed)?;
        let request = self.client.transact_write_items().set_transact_items(Some(items)).client_request_token(&token);
        // A part of the time is kept for reading what is stored, should there be no answer.
        let sending = deadline.earlier(deadline.remaining() / 4);
        let send = || request.clone().send();
        let sent = retry::send_with("TransactWriteItems", RetryPolicy::Safe, sending, send, failure::cancelled).await;
        let Err(failure) = sent else { return Ok(()) };
        // The pointer is moved and its change is kept in one transaction, so that the change says whose it was. An attempt
        // that had no answer may have done it, whatever a later one was told.
        match (self.token_of(next.generation, deadline).await, failure) {
            (Ok(Some(found)), _) if found == token => Ok(()),
            (_, Failure::Cancelled(reasons)) => Err(self.lost(next, &reasons)),
            (_, failure) => Err(failed(failure)),
        }
    }

    async fn history(&self, limit: usize, deadline: Deadline) -> Result<Vec<Change>> {
        let mut changes = Vec::new();
        let mut start = None;
        while changes.len() < limit {
            let missing = i32::try_from(limit - changes.len()).unwrap_or(i32::MAX);
            let request = self
                .client
                .query()
                .table_name(&self.tables.releases)
                .consistent_read(true)
                .scan_index_forward(false)
                .limit(missing)
                .key_condition_expression("#pk = :pk")
                .expression_attribute_names("#pk", PARTITION)
                .expression_attribute_values(":pk", AttributeValue::S(HISTORY.to_owned()))
                .set_exclusive_start_key(start.take());
            let answer = retry::send("Query", RetryPolicy::Safe, deadline, || request.clone().send()).await;
            let attempted = || format!("read history in the table `{}`", self.tables.releases);
            let answer = answer.map_err(|failure| store_error(&attempted(), failure))?;
            for attributes in answer.items.unwrap_or_default() {
                changes.push(Item { table: &self.tables.releases, attributes }.json(DOCUMENT)?);
            }
            start = answer.last_evaluated_key;
            if start.is_none() {
                break;
            }
        }
        Ok(changes)
    }

    async fn list(&self, deadline: Deadline) -> Result<BTreeMap<ReleaseId, Timestamp>> {
        self.objects(RELEASES, JSON, deadline).await
    }

    async fn list_artifacts(&self, deadline: Deadline) -> Result<BTreeMap<Digest, Timestamp>> {
        self.objects(ARTIFACTS, "", deadline).await
    }

    async fn remove_envelope(&self, release: &ReleaseId, deadline: Deadline) -> Result<()> {
        self.remove("release", &envelope_key(release), deadline).await
    }

    async fn remove_artifact(&self, digest: &Digest, deadline: Deadline) -> Result<()> {
        self.remove("artifact", &artifact_key(digest), deadline).await
    }
}

impl AwsStore {
    /// The pointer and its change, to be written together.
    fn items(
        &self,
        next: &RolloutState,
        change: &Change,
        token: &str,
    ) -> std::result::Result<Vec<TransactWriteItem>, Failure> {
        if change.generation != next.generation {
            return Err(Failure::Invalid("the change is not of the pointer's generation".to_owned()));
        }
        // No pointer is before the first.
        let before = next.generation.checked_sub(1).ok_or(Failure::Condition)?;
        let number = |number: u64| AttributeValue::N(number.to_string());
        let mut pointer = Key::pointer().attributes();
        pointer.insert(GENERATION.to_owned(), number(next.generation));
        pointer.insert(DOCUMENT.to_owned(), item::document(next));
        let pointer = PutItem::builder().table_name(&self.tables.releases).set_item(Some(pointer));
        let pointer = match before {
            0 => pointer.condition_expression("attribute_not_exists(#pk)").expression_attribute_names("#pk", PARTITION),
            _ => pointer
                .condition_expression("#generation = :before")
                .expression_attribute_names("#generation", GENERATION)
                .expression_attribute_values(":before", number(before)),
        };
        let mut kept = Key::history(change.generation).attributes();
        kept.insert(DOCUMENT.to_owned(), item::document(change));
        kept.insert(TOKEN.to_owned(), AttributeValue::S(token.to_owned()));
        let kept = PutItem::builder()
            .table_name(&self.tables.releases)
            .set_item(Some(kept))
            .condition_expression("attribute_not_exists(#pk)")
            .expression_attribute_names("#pk", PARTITION);
        [pointer, kept]
            .into_iter()
            .map(|put| Ok(TransactWriteItem::builder().put(put.build().map_err(Failure::unbuilt)?).build()))
            .collect()
    }

    /// The token of the transaction that made a generation, if one did.
    async fn token_of(&self, generation: u64, deadline: Deadline) -> Result<Option<String>> {
        let key = Key::history(generation);
        let item = self.item(&self.tables.releases, &key, true, "read history", deadline).await?;
        item.map(|item| item.text(TOKEN).map(str::to_owned)).transpose()
    }

    /// Why a transaction was cancelled: because of the pointer, or only because of its change.
    fn lost(&self, next: &RolloutState, reasons: &[CancellationReason]) -> StoreError {
        let generation = next.generation;
        match reasons.first().and_then(CancellationReason::code) {
            Some("ConditionalCheckFailed") => {
                StoreError::Conflict(format!("another process made generation {generation} of the pointer"))
            }
            _ => StoreError::Invalid(format!(
                "the table `{}` has the history of generation {generation}, and its pointer is older; hint: was it restored?",
                self.tables.releases
            )),
        }
    }

    /// The objects whose names are `prefix`, one of `T`, and `suffix`.
    async fn objects<T: FromStr + Ord>(
        &self,
        prefix: &str,
        suffix: &str,
        deadline: Deadline,
    ) -> Result<BTreeMap<T, Timestamp>> {
        let listed = self.bucket.list(prefix, deadline).await;
        let listed = listed.map_err(|failure| store_error(&format!("list {}", self.place(prefix)), failure))?;
        let mut objects = BTreeMap::new();
        for object in listed {
            let name = object.key.strip_prefix(prefix).and_then(|name| name.strip_suffix(suffix));
            match name.and_then(|name| name.parse().ok()) {
                Some(name) => {
                    objects.insert(name, object.stored);
                }
                None => tracing::warn!(key = object.key, "an object in the bucket of releases is none of them"),
            }
        }
        Ok(objects)
    }

    async fn remove(&self, kind: &str, key: &str, deadline: Deadline) -> Result<()> {
        let removed = self.bucket.delete(key, deadline).await;
        removed.map_err(|failure| store_error(&format!("remove the {kind} {}", self.place(key)), failure))
    }
}
