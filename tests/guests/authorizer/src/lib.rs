//! An authorizer that returns the decision in the query parameter `decision`. It asserts the values that it receives.

use exports::tidegate::route::connect_authorizer::{Connection, Decision, Error, Guest, Handshake, Identity};
use wasi::config::store;

wit_bindgen::generate!({ path: "../../../wit", world: "tidegate:route/authorizer", generate_all });

struct Authorizer;

impl Guest for Authorizer {
    fn authorize(connection: Connection, handshake: Handshake) -> Result<Decision, Error> {
        assert_eq!(connection.principal, None, "the connection has no principal before the decision");
        assert_eq!(connection.context, [], "the context is empty before the decision");
        assert!(
            handshake.headers.iter().all(|(name, _)| *name == name.to_ascii_lowercase()),
            "header names are in lower case"
        );
        let decision = handshake.query.iter().find(|(name, _)| name == "decision").map(|(_, value)| value.as_str());
        match decision {
            Some("allow") => Ok(Decision::Allow(Identity {
                principal: "ann".to_owned(),
                context: vec![("plan".to_owned(), store::get("plan").unwrap().unwrap_or_default())],
            })),
            Some("huge") => Ok(Decision::Allow(Identity {
                principal: "ann".to_owned(),
                context: vec![("x".to_owned(), "y".repeat(9_000))],
            })),
            Some("unauthorized") => Ok(Decision::Unauthorized),
            Some("fail") => Err(Error { status: 503, message: "no keys yet".to_owned() }),
            Some("trap") => panic!("asked to"),
            _ => Ok(Decision::Deny),
        }
    }
}

export!(Authorizer);
