//! The part of the store that only the command line uses: publishing, activating and pruning.

use std::collections::BTreeMap;
use std::str::FromStr;

use async_trait::async_trait;
use aws_sdk_dynamodb::types::{AttributeValue, CancellationReason, Put as PutItem, TransactWriteItem};
use tidegate_event::Timestamp;
use tidegate_ports::Deadline;
use tidegate_release::envelope::MAX_ENVELOPE_BYTES;
use tidegate_release::rollout::Change;
use tidegate_release::store::{ReleaseWriter, Result, StoreFailure, Stored};
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
            let what = format!("cannot store the artifact {}", self.place(&key));
            let why = format!("it has {} bytes, and hosts read at most {MAX_ARTIFACT_BYTES}", bytes.len());
            return Err(StoreError::Invalid(StoreFailure::new(what, why)));
        }
        // Most artifacts are unchanged since the previous release, and artifacts are large.
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
        // The rest of the time is reserved for reading the stored value if there is no response.
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
            (Ok(None), None) => {
                let what = format!("cannot store the release {}", self.place(&key));
                let failure = StoreFailure::new(what, "another process removed it at the same time");
                Err(StoreError::Conflict(failure.hint("repeat the command")))
            }
            (Err(failure), None) => Err(failed(failure)),
        }
    }

    async fn compare_and_set(&self, next: &RolloutState, change: &Change, deadline: Deadline) -> Result<()> {
        let failed = |failure| {
            store_error(&format!("change the rollout state in the table `{}`", self.tables.releases), failure)
        };
        let token = token::random().map_err(failed)?;
        let items = self.items(next, change, &token).map_err(failed)?;
        let request = self.client.transact_write_items().set_transact_items(Some(items)).client_request_token(&token);
        // The rest of the time is reserved for reading the stored value if there is no response.
        let sending = deadline.earlier(deadline.remaining() / 4);
        let send = || request.clone().send();
        let sent = retry::send_with("TransactWriteItems", RetryPolicy::Safe, sending, send, failure::cancelled).await;
        let Err(failure) = sent else { return Ok(()) };
        // One transaction writes the state and its change, so the token of the change identifies the author. An attempt
        // without a response may have succeeded, regardless of the response to a later attempt.
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
            let attempted = || format!("read the history in the table `{}`", self.tables.releases);
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
    /// Builds the transaction that writes the rollout state and its change.
    fn items(
        &self,
        next: &RolloutState,
        change: &Change,
        token: &str,
    ) -> std::result::Result<Vec<TransactWriteItem>, Failure> {
        if change.generation != next.generation {
            return Err(Failure::Invalid("the generation of the change is not that of the rollout state".to_owned()));
        }
        // Generation 0 is never stored.
        let before = next.generation.checked_sub(1).ok_or(Failure::Condition)?;
        let number = |number: u64| AttributeValue::N(number.to_string());
        let mut state = Key::rollout_state().attributes();
        state.insert(GENERATION.to_owned(), number(next.generation));
        state.insert(DOCUMENT.to_owned(), item::document(next));
        let state = PutItem::builder().table_name(&self.tables.releases).set_item(Some(state));
        let state = match before {
            0 => state.condition_expression("attribute_not_exists(#pk)").expression_attribute_names("#pk", PARTITION),
            _ => state
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
        [state, kept]
            .into_iter()
            .map(|put| Ok(TransactWriteItem::builder().put(put.build().map_err(Failure::not_built)?).build()))
            .collect()
    }

    /// Reads the token of the transaction that created a generation. Returns `None` if the generation does not exist.
    async fn token_of(&self, generation: u64, deadline: Deadline) -> Result<Option<String>> {
        let key = Key::history(generation);
        let item = self.item(&self.tables.releases, &key, true, "read the history", deadline).await?;
        item.map(|item| item.text(TOKEN).map(str::to_owned)).transpose()
    }

    /// Returns the error of a cancelled transaction. The first reason concerns the state, the second its change.
    fn lost(&self, next: &RolloutState, reasons: &[CancellationReason]) -> StoreError {
        let what = format!("cannot store generation {} of the rollout state", next.generation);
        match reasons.first().and_then(CancellationReason::code) {
            Some("ConditionalCheckFailed") => {
                let why = "another process changed the rollout state first";
                StoreError::Conflict(StoreFailure::new(what, why).hint("repeat the command"))
            }
            _ => {
                let why =
                    format!("the table `{}` has a change of this generation, but an older state", self.tables.releases);
                StoreError::Invalid(StoreFailure::new(what, why).hint("check whether a part of the table was restored"))
            }
        }
    }

    /// Lists the objects whose keys consist of `prefix`, a `T` and `suffix`.
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
                None => tracing::warn!(key = object.key, "ignoring an unknown object in the bucket of releases"),
            }
        }
        Ok(objects)
    }

    async fn remove(&self, kind: &str, key: &str, deadline: Deadline) -> Result<()> {
        let removed = self.bucket.delete(key, deadline).await;
        removed.map_err(|failure| store_error(&format!("remove the {kind} {}", self.place(key)), failure))
    }
}
