//! The route `$default`. It answers messages without a route of their own with an error that lists the actions.

use serde_json::Value;
use tidegate_guest::{Error, Request, Result, route};

/// The actions with a route in `tidegate.toml`.
const ACTIONS: &str = "`chat`, `echo`, `history`, `join` and `leave`";

#[route]
fn default(request: &Request) -> Result<()> {
    Err(Error::bad_request(refusal(request.text()?)))
}

fn refusal(text: &str) -> String {
    match serde_json::from_str::<Value>(text).map(|mut message| message.get_mut("action").map(Value::take)) {
        Ok(Some(Value::String(action))) => format!("there is no action `{action}`; there are {ACTIONS}"),
        Ok(_) => format!("the message has no text member `action`; the actions are {ACTIONS}"),
        Err(error) => format!("the message contains no JSON ({error}); the actions are {ACTIONS}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_name_the_mistake_and_the_actions() {
        for (text, mistake) in [
            (r#"{"action":"fly"}"#, "no action `fly`"),
            (r#"{"action":1}"#, "no text member"),
            ("[]", "no text member"),
            ("hello", "no JSON"),
        ] {
            let refusal = refusal(text);
            assert!(refusal.contains(mistake) && refusal.contains(ACTIONS), "{text}: {refusal}");
        }
    }
}
