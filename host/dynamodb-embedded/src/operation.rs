//! The dispatch of requests to the engine.
//!
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.LowLevelAPI.html>

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::replay::{self, Replays, TokenState};

const TARGET_PREFIX: &str = "DynamoDB_20120810.";
const STREAMS_TARGET_PREFIX: &str = "DynamoDBStreams_20120810.";
const UNKNOWN_OPERATION: &str = r#"{"__type":"com.amazon.coral.service#UnknownOperationException"}"#;
const TOO_LARGE: &str =
    r#"{"__type":"com.amazon.coral.service#RequestTooLarge","message":"Request exceeded the size limit of 16 MB"}"#;

/// Parts of SQLite's messages about a disk that cannot be written. They stay until a user has made room.
const DISK_FAILURES: [&str; 3] = ["database or disk is full", "disk I/O error", "attempt to write a readonly database"];
/// The error type of a failure of the disk, which DynamoDB does not have.
const DATABASE_FAILED: &str = "tidegate#DatabaseFailed";

/// The size of a request or an answer in bytes up to which a database in memory works on the caller's thread: less than
/// a millisecond of work.
pub(crate) const SMALL_BYTES: usize = 8 << 10;
/// The number of reads that move to another thread after a read with a large answer. The size of an answer is not known
/// before, and large answers follow each other.
const MOVED_READS: u32 = 64;

/// An HTTP response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// JSON in DynamoDB's format.
    pub(crate) body: String,
}

impl Answer {
    /// Returns DynamoDB's response to a body above the limit.
    pub(crate) fn too_large() -> Self {
        Self { status: 413, body: TOO_LARGE.to_owned() }
    }

    fn unknown_operation() -> Self {
        Self { status: 400, body: UNKNOWN_OPERATION.to_owned() }
    }
}

/// A database and the tokens of its transactions. Clones share both.
#[derive(Clone)]
pub(crate) struct Engine {
    pub(crate) database: Database,
    replays: Arc<Mutex<Replays>>,
    moved_reads: Arc<AtomicU32>,
    beside: Arc<AtomicU32>,
}

impl Engine {
    pub(crate) fn new(database: Database) -> Self {
        Self { database, replays: Arc::default(), moved_reads: Arc::default(), beside: Arc::default() }
    }

    /// Runs the operation named by `target`. After a large answer, the next reads move to another thread.
    pub(crate) fn answer(&self, target: &str, body: &[u8]) -> Answer {
        let answer = answer(self, target, body);
        if answer.body.len() > SMALL_BYTES {
            self.moved_reads.store(MOVED_READS, Ordering::Relaxed);
        }
        answer
    }

    /// Runs an operation on a thread of its own.
    pub(crate) fn answer_beside(&self, target: &str, body: &[u8]) -> Answer {
        self.beside.fetch_add(1, Ordering::SeqCst);
        // The engine reports its panics as errors of the caller, who also stops waiting.
        let answer = self.answer(target, body);
        self.beside.fetch_sub(1, Ordering::SeqCst);
        answer
    }

    /// Returns true while an operation runs on a thread of its own.
    pub(crate) fn works_beside(&self) -> bool {
        self.beside.load(Ordering::SeqCst) > 0
    }

    /// Returns true if this request is a read that moves to another thread.
    pub(crate) fn takes_moved_read(&self, target: &str) -> bool {
        let is_read = [".GetItem", ".BatchGetItem", ".Query"].iter().any(|name| target.ends_with(name));
        let take = |left: u32| left.checked_sub(1);
        is_read && self.moved_reads.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }
}

/// Runs the operation named by `target`, the header `X-Amz-Target`.
pub(crate) fn answer(engine: &Engine, target: &str, body: &[u8]) -> Answer {
    let name = target.strip_prefix(TARGET_PREFIX).or_else(|| target.strip_prefix(STREAMS_TARGET_PREFIX));
    let result = name.map(|name| match name {
        "TransactWriteItems" => transact(engine, body).map(Some),
        _ => run(&engine.database, name, body),
    });
    match result {
        Some(Ok(Some(body))) => Answer { status: 200, body },
        Some(Ok(None)) | None => Answer::unknown_operation(),
        Some(Err(error)) => refuse(&error),
    }
}

/// Returns the response to an error. A failure of the disk lasts, so it is not reported as a failure of the service,
/// which clients would retry until their deadline.
fn refuse(error: &DynoxideError) -> Answer {
    let message = error.to_string();
    if error.status_code() >= 500 && DISK_FAILURES.iter().any(|part| message.contains(part)) {
        return Answer { status: 400, body: json!({ "__type": DATABASE_FAILED, "message": message }).to_string() };
    }
    Answer { status: error.status_code(), body: error.to_json() }
}

/// Calls the engine's method for an operation. Returns `None` for an unknown operation.
macro_rules! dispatch {
    ($database:ident, $name:ident, $body:ident, { $($operation:literal => $method:ident,)* }) => {
        match $name {
            $($operation => encode(&$database.$method(decode($body)?)?).map(Some),)*
            _ => Ok(None),
        }
    };
}

fn run(database: &Database, name: &str, body: &[u8]) -> Result<Option<String>, DynoxideError> {
    dispatch!(database, name, body, {
        "GetItem" => get_item,
        "PutItem" => put_item,
        "UpdateItem" => update_item,
        "DeleteItem" => delete_item,
        "Query" => query,
        "Scan" => scan,
        "BatchGetItem" => batch_get_item,
        "BatchWriteItem" => batch_write_item,
        "TransactGetItems" => transact_get_items,
        "ExecuteStatement" => execute_statement,
        "ExecuteTransaction" => execute_transaction,
        "BatchExecuteStatement" => batch_execute_statement,
        "CreateTable" => create_table,
        "DeleteTable" => delete_table,
        "DescribeTable" => describe_table,
        "UpdateTable" => update_table,
        "ListTables" => list_tables,
        "UpdateTimeToLive" => update_time_to_live,
        "DescribeTimeToLive" => describe_time_to_live,
        "TagResource" => tag_resource,
        "UntagResource" => untag_resource,
        "ListTagsOfResource" => list_tags_of_resource,
        "ListStreams" => list_streams,
        "DescribeStream" => describe_stream,
        "GetShardIterator" => get_shard_iterator,
        "GetRecords" => get_records,
    })
}

/// Applies a transaction once for each token.
fn transact(engine: &Engine, body: &[u8]) -> Result<String, DynoxideError> {
    let mut request: Value = decode(body)?;
    let token = replay::take_token(&mut request);
    let digest = replay::digest(&request);
    // The lock is held until the transaction is applied, so a second request with the same token waits for the first. A
    // panic in the engine leaves the tokens unchanged, so a poisoned lock is still usable.
    let mut replays = engine.replays.lock().unwrap_or_else(PoisonError::into_inner);
    match token.as_deref().map(|token| replays.find(token, digest)) {
        Some(TokenState::Applied(answer)) => return Ok(answer),
        Some(TokenState::Mismatch) => {
            let message = "the token was used with other parameters".to_owned();
            return Err(DynoxideError::IdempotentParameterMismatchException(message));
        }
        Some(TokenState::New) | None => {}
    }
    let request = serde_json::from_value(request).map_err(|error| classify(&error.to_string()))?;
    let answer = encode(&engine.database.transact_write_items(request)?)?;
    if let Some(token) = token {
        replays.applied(token, digest, answer.clone());
    }
    Ok(answer)
}

fn encode<T: Serialize>(response: &T) -> Result<String, DynoxideError> {
    serde_json::to_string(response).map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, DynoxideError> {
    // serde would also read an array as a request.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(DynoxideError::SerializationException(String::new()));
    }
    serde_json::from_slice(body).map_err(|error| classify(&error.to_string()))
}

/// Converts a serde error message into DynamoDB's error.
///
/// The engine marks some messages with a prefix. For other messages, a member that is missing, null or an unknown
/// variant is a ValidationException. A value of the wrong JSON type and invalid JSON are SerializationExceptions.
fn classify(message: &str) -> DynoxideError {
    let text = without_position(message);
    if let Some(text) = text.strip_prefix("VALIDATION_REQUEST:").or_else(|| text.strip_prefix("VALIDATION:")) {
        return DynoxideError::ValidationException(text.to_owned());
    }
    if let Some(text) = message.strip_prefix("VALIDATION_AS_READ:") {
        return DynoxideError::ValidationException(text.to_owned());
    }
    if let Some(text) = text.strip_prefix("SERIALIZATION:") {
        return DynoxideError::SerializationException(text.to_owned());
    }
    if let Some(text) = message.strip_prefix("SERIALIZATION_AS_READ:") {
        return DynoxideError::SerializationException(text.to_owned());
    }
    let validation = ["missing field", "unknown variant", "invalid type: null", "AttributeValue"];
    if validation.iter().any(|part| text.contains(part)) {
        return DynoxideError::ValidationException(text.to_owned());
    }
    DynoxideError::SerializationException(text.to_owned())
}

/// Removes ` at line N column N` from the end of a serde_json message.
fn without_position(message: &str) -> &str {
    match message.rsplit_once(" at line ") {
        Some((text, position)) if position.contains(" column ") => text,
        _ => message,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use dynoxide::{Database, DynoxideError};

    use super::{Engine, answer, refuse};

    fn error(operation: &str, body: &str) -> String {
        let engine = Engine::new(Database::memory().unwrap());
        let answer = answer(&engine, operation, body.as_bytes());
        assert_eq!(answer.status, 400, "{body}");
        let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        let name = body["__type"].as_str().unwrap();
        assert!(!answer.body.contains("VALIDATION") && !answer.body.contains(" at line "), "{}", answer.body);
        name.rsplit_once('#').unwrap().1.to_owned()
    }

    #[test]
    fn reads_after_a_large_answer_move_to_another_thread() {
        let engine = Engine::new(Database::memory().unwrap());
        let (get, put) = ("DynamoDB_20120810.GetItem", "DynamoDB_20120810.PutItem");
        assert!(!engine.takes_moved_read(get));
        engine.moved_reads.store(2, Ordering::Relaxed);
        let taken = [put, get, "DynamoDB_20120810.Query", get].map(|target| engine.takes_moved_read(target));
        assert_eq!(taken, [false, true, true, false]);
    }

    #[test]
    fn failures_of_the_disk_are_refusals_and_no_failures_of_a_service() {
        for (message, status) in [
            ("database or disk is full", 400),
            ("disk I/O error", 400),
            ("attempt to write a readonly database", 400),
            ("database is locked", 500),
        ] {
            let answer = refuse(&DynoxideError::InternalServerError(message.to_owned()));
            assert_eq!(answer.status, status, "{message}");
            assert_eq!(answer.body.contains("#DatabaseFailed"), status == 400, "{}", answer.body);
            assert!(answer.body.contains(message), "{}", answer.body);
        }
    }

    #[test]
    fn operations_without_a_known_name_are_rejected() {
        for target in ["", "GetItem", "DynamoDB_20120810.", "DynamoDB_20120810.DropTable", "Other_1.GetItem"] {
            assert_eq!(error(target, "{}"), "UnknownOperationException", "{target}");
        }
    }

    #[test]
    fn invalid_requests_get_the_error_that_dynamodb_returns() {
        let get = "DynamoDB_20120810.GetItem";
        assert_eq!(error(get, "{}"), "ValidationException");
        assert_eq!(error(get, r#"{"TableName":null,"Key":{}}"#), "ValidationException");
        assert_eq!(error(get, r#"{"TableName":"tt t","Key":{"id":{"S":"a"}}}"#), "ValidationException");
        assert_eq!(error(get, r#"{"TableName":"ttt","Key":{"id":{}}}"#), "ValidationException");
        assert_eq!(error(get, r#"{"TableName":7,"Key":{}}"#), "SerializationException");
        for body in ["", "{", "[]", "null garbage", "\u{7f}"] {
            assert_eq!(error(get, body), "SerializationException", "{body}");
        }
    }
}
