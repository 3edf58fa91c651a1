//! Idempotency of transactions with a client token.
//!
//! DynamoDB applies a transaction once for each token within ten minutes. The engine does so too, but for each
//! transaction it searches every token of the last ten minutes, which is slow after thousands of joins. This module
//! therefore keeps a bounded number of tokens, and removes the token from the requests that the engine receives.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use serde_json::Value;

/// DynamoDB remembers a token for this time.
const WINDOW: Duration = Duration::from_secs(600);
/// The maximum number of tokens. A caller that lost a response repeats its request within seconds, after far fewer
/// transactions.
const MAX_TOKENS: usize = 8_192;
/// DynamoDB's maximum length of a token.
const MAX_TOKEN_BYTES: usize = 36;

/// The state of a token.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TokenState {
    /// No applied transaction has the token.
    New,
    /// The same transaction was applied, with this response.
    Applied(String),
    /// A different transaction with the token was applied.
    Mismatch,
}

#[derive(Debug)]
struct Entry {
    at: Instant,
    request: u64,
    answer: String,
}

/// The tokens of applied transactions. Above the maximum, the oldest token is removed.
#[derive(Debug, Default)]
pub(crate) struct Replays {
    entries: HashMap<String, Entry>,
    order: VecDeque<String>,
}

impl Replays {
    /// Returns the state of a token for a request with this digest.
    pub(crate) fn find(&self, token: &str, request: u64) -> TokenState {
        match self.entries.get(token) {
            Some(entry) if entry.at.elapsed() >= WINDOW => TokenState::New,
            Some(entry) if entry.request == request => TokenState::Applied(entry.answer.clone()),
            Some(_) => TokenState::Mismatch,
            None => TokenState::New,
        }
    }

    /// Records an applied transaction.
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

/// Removes the token from a request if the token is valid. The engine rejects invalid tokens.
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

/// Returns a digest of a request. The digest does not depend on the order of the request's members.
pub(crate) fn digest(request: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    request.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{MAX_TOKENS, Replays, TokenState, digest, take_token};

    #[test]
    fn a_token_belongs_to_one_request() {
        let mut replays = Replays::default();
        let mut request = json!({"ClientRequestToken": "t", "TransactItems": [1]});
        assert_eq!(take_token(&mut request).as_deref(), Some("t"));
        assert_eq!(request, json!({"TransactItems": [1]}));
        let request = digest(&request);
        assert_eq!(replays.find("t", request), TokenState::New);
        replays.applied("t".to_owned(), request, "{}".to_owned());
        assert_eq!(replays.find("t", request), TokenState::Applied("{}".to_owned()));
        assert_eq!(replays.find("t", request + 1), TokenState::Mismatch);
    }

    #[test]
    fn the_number_of_tokens_is_bounded() {
        let mut replays = Replays::default();
        for number in 0..=MAX_TOKENS {
            replays.applied(number.to_string(), 0, String::new());
        }
        assert_eq!(replays.find("0", 0), TokenState::New);
        assert_eq!(replays.find("1", 0), TokenState::Applied(String::new()));
        assert_eq!((replays.entries.len(), replays.order.len()), (MAX_TOKENS, MAX_TOKENS));
    }

    #[test]
    fn invalid_tokens_stay_in_the_request() {
        for token in [json!(""), json!(7), json!("x".repeat(37))] {
            assert_eq!(take_token(&mut json!({"ClientRequestToken": token})), None);
        }
    }
}
