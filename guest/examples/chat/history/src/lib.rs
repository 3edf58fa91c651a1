//! The route `history`. It returns the last messages of a room, oldest first.
//!
//! Any user can join any room, so any user can read the messages of any room. The route does not check the membership.

use chat_model::{Post, Room, post};
use serde::{Deserialize, Serialize};
use tidegate_guest::storage::Collection;
use tidegate_guest::{Error, Json, Result, route};

/// The number of messages for a request without a `limit`.
const DEFAULT_LIMIT: usize = 20;
/// The largest `limit`.
const MAX_LIMIT: usize = 100;
/// The largest JSON of all messages, in bytes. A payload is at most 131,072 bytes, and the other members need some.
const MAX_BYTES: usize = 130_000;

#[derive(Deserialize)]
struct Query {
    room: Room,
    limit: Option<usize>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "history")]
struct History {
    room: Room,
    messages: Vec<Post>,
}

#[route]
fn history(Json(Query { room, limit }): Json<Query>) -> Result<Json<History>> {
    let limit = check(limit)?;
    let collection = Collection::open(post::COLLECTION)?;
    let newest = collection.query(room.name()).descending().limit(limit).items::<Post>();
    let newest: Vec<Post> = newest.map(|item| Ok(item?.document)).collect::<Result<_>>()?;
    Ok(Json(History { room, messages: oldest_first(newest) }))
}

fn check(limit: Option<usize>) -> Result<usize> {
    match limit.unwrap_or(DEFAULT_LIMIT) {
        limit @ 1..=MAX_LIMIT => Ok(limit),
        _ => Err(Error::bad_request(format!("`limit` is 1 to {MAX_LIMIT}"))),
    }
}

/// Returns as many of the newest messages as fit in one payload, oldest first.
fn oldest_first(newest: Vec<Post>) -> Vec<Post> {
    let mut remaining = MAX_BYTES;
    let mut messages: Vec<Post> = newest
        .into_iter()
        .take_while(|post| {
            // The comma after the post takes one byte.
            let size = serde_json::to_string(post).map_or(usize::MAX, |json| json.len().saturating_add(1));
            remaining.checked_sub(size).inspect(|rest| remaining = *rest).is_some()
        })
        .collect();
    messages.reverse();
    messages
}

#[cfg(test)]
mod tests {
    use super::*;

    fn posts(text: &str, count: u64) -> Vec<Post> {
        (0..count).rev().map(|at| Post { from: "alice".into(), text: text.into(), at }).collect()
    }

    #[test]
    fn messages_are_sorted_oldest_first() {
        let times: Vec<u64> = oldest_first(posts("hi", 3)).iter().map(|post| post.at).collect();
        assert_eq!(times, [0, 1, 2]);
    }

    #[test]
    fn page_that_does_not_fit_keeps_the_newest_messages() {
        let messages = oldest_first(posts(&"\u{1}".repeat(4_096), 100));
        let last = messages.last().unwrap().at;
        let size = serde_json::to_string(&History { room: Room::lobby(), messages: messages.clone() }).unwrap().len();
        assert_eq!(last, 99);
        assert!(messages.len() > 1 && size < 131_072, "{} messages, {size} bytes", messages.len());
    }

    #[test]
    fn limit_is_checked() {
        assert_eq!(check(None), Ok(DEFAULT_LIMIT));
        assert_eq!(check(Some(MAX_LIMIT)), Ok(MAX_LIMIT));
        assert_eq!(check(Some(0)).unwrap_err().status, 400);
        assert_eq!(check(Some(MAX_LIMIT + 1)).unwrap_err().status, 400);
    }
}
