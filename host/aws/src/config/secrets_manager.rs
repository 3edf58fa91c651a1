//! Values as secrets of Secrets Manager.
//!
//! Each secret takes a separate request: BatchGetSecretValue needs permission for every secret in the account.
//!
//! <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html>

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};
use tidegate_ports::Deadline;

use super::Read;
use super::service::Service;

const TARGET: &str = "secretsmanager.GetSecretValue";
const NOT_FOUND: &str = "ResourceNotFoundException";
/// The number of concurrent requests.
const CONCURRENCY: usize = 8;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Request<'a> {
    secret_id: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    /// `None` if the secret is binary.
    secret_string: Option<String>,
}

/// Reads the values of `names`.
pub(super) async fn read(service: &Service, names: &[String], deadline: Deadline) -> Read {
    // The names are owned: with borrowed names, the compiler cannot prove that the future is `Send`.
    let reads = stream::iter(names.to_vec()).map(|name| read_one(service, name, deadline));
    reads.buffered(CONCURRENCY).try_collect().await
}

async fn read_one(
    service: &Service,
    name: String,
    deadline: Deadline,
) -> Result<(String, Option<String>), (String, String)> {
    match service.call::<Answer>(TARGET, &Request { secret_id: &name }, deadline).await {
        Ok(Answer { secret_string: Some(value) }) => Ok((name, Some(value))),
        Ok(Answer { secret_string: None }) => Err((name, "the secret is binary, not text".to_owned())),
        Err(refusal) if refusal.kind == NOT_FOUND => Ok((name, None)),
        Err(refusal) => Err((name, refusal.reason)),
    }
}
