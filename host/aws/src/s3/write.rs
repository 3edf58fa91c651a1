//! Storing and deleting objects.

use std::time::Duration;

use aws_smithy_types::body::SdkBody;
use tidegate_ports::Deadline;
use tidegate_release::Digest;

use super::{AwsRequest, Bucket, unknown};
use crate::failure::{Failure, NO_ANSWER};
use crate::http::retry::{self, ATTEMPT, RetryPolicy};

/// The slowest supported upload speed, in bytes per second.
const MIN_BYTES_PER_SECOND: u64 = 64 << 10;
/// The time limit for connecting and for the response. The time for sending is added.
const PUT_TIME: Duration = Duration::from_secs(5);

/// The result of storing an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    /// The object was stored.
    New,
    /// An object with this key exists.
    Present {
        /// True if an earlier attempt of this call may have stored the object, because that attempt had no valid
        /// response.
        perhaps_ours: bool,
    },
}

impl Bucket {
    /// Returns true if an object exists. A failed attempt counts as false: the check only saves an upload.
    pub(crate) async fn has(&self, key: &str, deadline: Deadline) -> bool {
        let time = ATTEMPT.min(deadline.remaining());
        matches!(self.attempt(AwsRequest { time, ..AwsRequest::new("HEAD", key) }).await, Ok(Some(_)))
    }

    /// Stores an object unless one with this key exists.
    ///
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html>
    pub(crate) async fn put_new(&self, key: &str, bytes: &[u8], deadline: Deadline) -> Result<Put, Failure> {
        let body = SdkBody::from(bytes);
        let digest = Digest::of(bytes);
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let time = PUT_TIME + Duration::from_secs(size / MIN_BYTES_PER_SECOND);
        let mut attempts = 0_u32;
        let put = || {
            attempts += 1;
            let body = body.try_clone().unwrap_or_else(SdkBody::empty);
            self.attempt(AwsRequest {
                headers: &[("if-none-match", "*")],
                body,
                digest,
                time,
                ..AwsRequest::new("PUT", key)
            })
        };
        let put = retry::send_with("PutObject", RetryPolicy::SafeWithin(time), deadline, put, |failure| failure).await;
        match put {
            Ok(Some(_)) => Ok(Put::New),
            Ok(None) => Err(unknown(NO_ANSWER)),
            Err(Failure::Condition) => Ok(Put::Present { perhaps_ours: attempts > 1 }),
            Err(failure) => Err(failure),
        }
    }

    /// Deletes an object. Succeeds if the object does not exist.
    pub(crate) async fn delete(&self, key: &str, deadline: Deadline) -> Result<(), Failure> {
        let delete = || self.attempt(AwsRequest::new("DELETE", key));
        retry::send_with("DeleteObject", RetryPolicy::Safe, deadline, delete, |failure| failure).await.map(|_| ())
    }
}
