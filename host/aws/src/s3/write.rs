//! What only who publishes and who prunes does.

use std::time::Duration;

use aws_smithy_types::body::SdkBody;
use tidegate_ports::Deadline;
use tidegate_release::Digest;

use super::{AwsRequest, Bucket, unknown};
use crate::failure::{Failure, NO_ANSWER};
use crate::http::retry::{self, ATTEMPT, RetryPolicy};

/// The slowest uplink that a large object is sent over, in bytes a second.
const SLOWEST: u64 = 64 << 10;
/// For connecting and for the answer, besides sending.
const PUT_TIME: Duration = Duration::from_secs(5);

/// What became of an object that was to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    /// It is stored.
    New,
    /// There was one. It may be this very one, where an attempt before had no answer.
    Present {
        /// Whether there was such an attempt.
        perhaps_ours: bool,
    },
}

impl Bucket {
    /// Whether an object is known to be there, by one attempt: it spares sending what is.
    pub(crate) async fn has(&self, key: &str, deadline: Deadline) -> bool {
        let time = ATTEMPT.min(deadline.remaining());
        matches!(self.ask(AwsRequest { time, ..AwsRequest::new("HEAD", key) }).await, Ok(Some(_)))
    }

    /// Stores an object unless there is one.
    ///
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html>
    pub(crate) async fn put_new(&self, key: &str, bytes: &[u8], deadline: Deadline) -> Result<Put, Failure> {
        let (body, digest) = (SdkBody::from(bytes), Digest::of(bytes));
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let time = PUT_TIME + Duration::from_secs(size / SLOWEST);
        let mut attempts = 0_u32;
        let put = || {
            attempts += 1;
            let body = body.try_clone().unwrap_or_else(SdkBody::empty);
            self.ask(AwsRequest {
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

    /// Removes an object, if there is one.
    pub(crate) async fn delete(&self, key: &str, deadline: Deadline) -> Result<(), Failure> {
        let ask = || self.ask(AwsRequest::new("DELETE", key));
        retry::send_with("DeleteObject", RetryPolicy::Safe, deadline, ask, |failure| failure).await.map(|_| ())
    }
}
