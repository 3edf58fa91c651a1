//! Listing the objects of a bucket.

use std::fmt::Write as _;
use std::time::Duration;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use quick_xml::de;
use serde::Deserialize;
use tidegate_event::Timestamp;
use tidegate_ports::Deadline;

use super::{AwsRequest, Bucket};
use crate::failure::{Failure, NO_SENSE};
use crate::http::retry::{self, RetryPolicy};

/// The most that is read of one page: it has at most a thousand objects, of about 400 bytes each.
const MAX_PAGE_BYTES: usize = 4 << 20;
/// S3 looks through a thousand keys before it answers.
const PAGE_TIME: Duration = Duration::from_secs(5);

/// An object that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Object {
    /// Its name.
    pub(crate) key: String,
    /// When it was stored.
    pub(crate) stored: Timestamp,
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    /// Without this member it is no page: some other text would be read as an empty one.
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
    /// Every object whose name begins with `prefix`.
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
                // The same page again would be so for ever.
                (true, next) if next.is_none() || next == token => return Err(senseless("a page has no next one")),
                (true, next) => next,
            };
        }
    }

    async fn page(&self, prefix: &str, token: Option<&str>, deadline: Deadline) -> Result<Page, Failure> {
        let mut query = format!("?list-type=2&prefix={}", encoded(prefix));
        if let Some(token) = token {
            query = format!("{query}&continuation-token={}", encoded(token));
        }
        let ask = || self.ask(AwsRequest { limit: MAX_PAGE_BYTES, time: PAGE_TIME, ..AwsRequest::new("GET", &query) });
        let repeat = RetryPolicy::SafeWithin(Duration::MAX);
        let page = retry::send_with("ListObjectsV2", repeat, deadline, ask, |failure| failure).await?;
        let page = page.unwrap_or_default();
        let page = std::str::from_utf8(&page).map_err(senseless)?;
        de::from_str(page).map_err(senseless)
    }
}

impl TryFrom<Listed> for Object {
    type Error = Failure;

    fn try_from(listed: Listed) -> Result<Self, Failure> {
        let stored = DateTime::from_str(&listed.last_modified, Format::DateTime).map_err(senseless)?;
        let stored = stored.to_millis().map_err(senseless)?;
        Ok(Self { key: listed.key, stored: Timestamp(u64::try_from(stored).map_err(senseless)?) })
    }
}

fn senseless(reason: impl ToString) -> Failure {
    Failure::Invalid(format!("{NO_SENSE}: {}", reason.to_string()))
}

/// A value for a query: everything but what URLs leave as it is.
fn encoded(value: &str) -> String {
    value.bytes().fold(String::with_capacity(value.len()), |mut text, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => text.push(char::from(byte)),
            _ => {
                // Writing to a string cannot fail.
                let _ = write!(text, "%{byte:02X}");
            }
        }
        text
    })
}
