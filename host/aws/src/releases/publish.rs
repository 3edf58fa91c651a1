//! What who publishes does.

use async_trait::async_trait;
use tidegate_ports::Deadline;
use tidegate_release::envelope::MAX_ENVELOPE_BYTES;
use tidegate_release::store::{Publish, Result, Stored};
use tidegate_release::{Digest, ReleaseId, StoreError};

use super::failure::store_error;
use super::read::MAX_ARTIFACT_BYTES;
use super::{AwsStore, artifact_key, envelope_key};
use crate::failure::Failure;
use crate::s3::Put;

#[async_trait]
impl Publish for AwsStore {
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
}
