//! Listing of objects.

use std::time::Duration;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};
use quick_xml::de;
use serde::Deserialize;
use tidegate_event::Timestamp;
use tidegate_ports::Deadline;

use super::{AwsRequest, Bucket};
use crate::failure::{Failure, INVALID_ANSWER};
use crate::http::retry::{self, RetryPolicy};

/// The maximum size of one page, which has at most a thousand objects of about 400 bytes each.
const MAX_PAGE_BYTES: usize = 4 << 20;
/// The time limit of one page. S3 reads up to a thousand keys for each page.
const PAGE_TIME: Duration = Duration::from_secs(5);

/// The characters that a query must encode: all except RFC 3986's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// An object of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Object {
    /// The key, which is the name of the object.
    pub(crate) key: String,
    /// The time when the object was stored.
    pub(crate) stored: Timestamp,
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    /// This element is required, so that other XML is not mistaken for an empty page.
    is_truncated: bool,
    #[serde(default)]
    contents: Vec<Listed>,
    next_continuation_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    key: String,
    last_modified: String,
}

impl Bucket {
    /// Lists the objects whose keys begin with `prefix`.
    pub(crate) async fn list(&self, prefix: &str, deadline: Deadline) -> Result<Vec<Object>, Failure> {
        let mut objects = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let page = self.page(prefix, token.as_deref(), deadline).await?;
            for listed in page.contents {
                objects.push(listed.try_into()?);
            }
            token = match (page.is_truncated, page.next_continuation_token) {
                (false, _) => return Ok(objects),
                // Without a new token, the same page would repeat forever.
                (true, next) if next.is_none() || next == token => {
                    return Err(invalid("a page has no token of the next page"));
                }
                (true, next) => next,
            };
        }
    }

    async fn page(&self, prefix: &str, token: Option<&str>, deadline: Deadline) -> Result<Page, Failure> {
        let mut query = format!("?list-type=2&prefix={}", encode(prefix));
        if let Some(token) = token {
            query = format!("{query}&continuation-token={}", encode(token));
        }
        let read =
            || self.attempt(AwsRequest { limit: MAX_PAGE_BYTES, time: PAGE_TIME, ..AwsRequest::new("GET", &query) });
        let repeat = RetryPolicy::SafeWithin(Duration::MAX);
        let page = retry::send_with("ListObjectsV2", repeat, deadline, read, |failure| failure).await?;
        let page = page.unwrap_or_default();
        let page = std::str::from_utf8(&page).map_err(invalid)?;
        de::from_str(page).map_err(invalid)
    }
}

impl TryFrom<Listed> for Object {
    type Error = Failure;

    fn try_from(listed: Listed) -> Result<Self, Failure> {
        let stored = DateTime::from_str(&listed.last_modified, Format::DateTime).map_err(invalid)?;
        let stored = stored.to_millis().map_err(invalid)?;
        Ok(Self { key: listed.key, stored: Timestamp(u64::try_from(stored).map_err(invalid)?) })
    }
}

fn invalid(reason: impl ToString) -> Failure {
    Failure::Invalid(format!("{INVALID_ANSWER}: {}", reason.to_string()))
}

/// Encodes a query value as Signature Version 4 requires: everything except unreserved characters.
fn encode(value: &str) -> PercentEncode<'_> {
    utf8_percent_encode(value, RESERVED)
}
