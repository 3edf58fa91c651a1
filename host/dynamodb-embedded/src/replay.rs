//! Transactions that were applied, by their client tokens.
//!
//! DynamoDB applies a transaction once for each token within ten minutes. The engine does so, too, but looks through
//! every token of the last ten minutes at each transaction, which makes a host with thousands of joins slow. So tokens
//! are kept here, in a bounded number, and the engine sees none.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long a token is known: DynamoDB's ten minutes.
const WINDOW: Duration = Duration::from_secs(600);
/// The most tokens: a caller that lost an answer repeats its request within seconds, far fewer transactions later.
const MAX_TOKENS: usize = 8_192;
/// DynamoDB's limit of a token.
const MAX_TOKEN_BYTES: usize = 36;

/// What became of a token.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// It is new.
    No,
    /// It was applied, with this answer.
    Applied(String),
    /// It was applied with other parameters.
    Mismatch,
}

#[derive(Debug)]
struct Entry {
    at: Instant,
    request: u64,
    answer: String,
}

/// The tokens of applied transactions, the oldest first to go.
#[derive(Debug, Default)]
pub(crate) struct Replays {
    entries: HashMap<String, Entry>,
    order: VecDeque<String>,
}

impl Replays {
    /// What became of the token with a request of this digest.
    pub(crate) fn find(&self, token: &str, request: u64) -> Known {
        match self.entries.get(token) {
            Some(entry) if entry.at.elapsed() >= WINDOW => Known::No,
            Some(entry) if entry.request == request => Known::Applied(entry.answer.clone()),
            Some(_) => Known::Mismatch,
            None => Known::No,
        }
    }

    /// Remembers an applied transaction.
    pub(crate) fn applied(&mut self, token: String, request: u64, answer: String) {
        let entry = Entry { at: Instant::now(), request, answer };
        if self.entries.insert(token.clone(), entry).is_none() {
            self.order.push_back(token);
        }
        while self.order.len() > MAX_TOKENS {
            if let Some(oldest) = self.order.pop_front() {
                self.entries.remove(&oldest);
            }
        }
    }
}

/// Takes the token out of a request, if it has one that DynamoDB allows; others are the engine's to refuse.
pub(crate) fn take_token(request: &mut Value) -> Option<String> {
    let members = request.as_object_mut()?;
    let allowed = |token: &str| !token.is_empty() && token.len() <= MAX_TOKEN_BYTES;
    if !members.get("ClientRequestToken")?.as_str().is_some_and(allowed) {
        return None;
    }
    match members.remove("ClientRequestToken") {
        Some(Value::String(token)) => Some(token),
        _ => None,
    }
}

/// A digest of a request, whatever the order of its members.
pub(crate) fn digest(request: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    request.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Known, MAX_TOKENS, Replays, digest, take_token};

    #[test]
    fn a_token_stands_for_one_request() {
        let mut replays = Replays::default();
        let mut request = json!({"ClientRequestToken": "t", "TransactItems": [1]});
        assert_eq!(take_token(&mut request).as_deref(), Some("t"));
        assert_eq!(request, json!({"TransactItems": [1]}));
        let request = digest(&request);
        assert_eq!(replays.find("t", request), Known::No);
        replays.applied("t".to_owned(), request, "{}".to_owned());
        assert_eq!(replays.find("t", request), Known::Applied("{}".to_owned()));
        assert_eq!(replays.find("t", request + 1), Known::Mismatch);
    }

    #[test]
    fn the_number_of_tokens_is_bounded() {
        let mut replays = Replays::default();
        for number in 0..=MAX_TOKENS {
            replays.applied(number.to_string(), 0, String::new());
        }
        assert_eq!(replays.find("0", 0), Known::No);
        assert_eq!(replays.find("1", 0), Known::Applied(String::new()));
        assert_eq!((replays.entries.len(), replays.order.len()), (MAX_TOKENS, MAX_TOKENS));
    }

    #[test]
    fn tokens_that_dynamodb_refuses_stay_in_the_request() {
        for token in [json!(""), json!(7), json!("x".repeat(37))] {
            assert_eq!(take_token(&mut json!({"ClientRequestToken": token})), None);
        }
    }
}
