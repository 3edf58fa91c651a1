//! What hosts read.

use async_trait::async_trait;
use tidegate_ports::Deadline;
use tidegate_release::envelope::MAX_ENVELOPE_BYTES;
use tidegate_release::store::{Consistency, Releases, Result};
use tidegate_release::{Digest, ReleaseId, RolloutState, StoreError};

use super::failure::store_error;
use super::item::{DOCUMENT, GENERATION, Item, Key};
use super::{AwsStore, artifact_key, envelope_key};
use crate::attempt::{self, Repeat};

/// The largest artifact that is read. That of a component with Python and much of its library in it has 39 MB.
pub const MAX_ARTIFACT_BYTES: usize = 64 << 20;

#[async_trait]
impl Releases for AwsStore {
    async fn pointer(&self, consistency: Consistency, deadline: Deadline) -> Result<RolloutState> {
        let strong = consistency == Consistency::Strong;
        match self.item(&self.tables.releases, &Key::pointer(), strong, "read the pointer", deadline).await? {
            Some(item) => pointer(&item),
            None => Ok(RolloutState::default()),
        }
    }

    async fn envelope(&self, release: &ReleaseId, deadline: Deadline) -> Result<Vec<u8>> {
        self.object(&envelope_key(release), MAX_ENVELOPE_BYTES, "release", deadline).await
    }

    async fn artifact(&self, digest: &Digest, deadline: Deadline) -> Result<Vec<u8>> {
        self.object(&artifact_key(digest), MAX_ARTIFACT_BYTES, "artifact", deadline).await
    }
}

impl AwsStore {
    /// An item, if it is there.
    pub(super) async fn item<'a>(
        &self,
        table: &'a str,
        key: &Key,
        strong: bool,
        attempted: &str,
        deadline: Deadline,
    ) -> Result<Option<Item<'a>>> {
        let request = self.client.get_item().table_name(table).set_key(Some(key.attributes())).consistent_read(strong);
        let answer = attempt::send("GetItem", Repeat::Safe, deadline, || request.clone().send()).await;
        let answer = answer.map_err(|failure| store_error(&format!("{attempted} in the table `{table}`"), failure))?;
        Ok(answer.item.map(|attributes| Item { table, attributes }))
    }

    async fn object(&self, key: &str, limit: usize, kind: &str, deadline: Deadline) -> Result<Vec<u8>> {
        let found = self.bucket.get(key, limit, deadline).await;
        let found = found.map_err(|failure| store_error(&format!("read the {kind} {}", self.place(key)), failure))?;
        found.ok_or_else(|| StoreError::NotFound(format!("{kind} {}", self.place(key))))
    }
}

fn pointer(item: &Item<'_>) -> Result<RolloutState> {
    let pointer: RolloutState = item.json(DOCUMENT)?;
    if item.number(GENERATION)? == pointer.generation {
        return Ok(pointer);
    }
    Err(item.foreign(GENERATION, &format!("its document is of generation {}", pointer.generation)))
}
