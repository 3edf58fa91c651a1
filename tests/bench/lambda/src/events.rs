//! Events for the functions: messages in API Gateway's format.

use serde_json::json;

/// Connection id of every event.
pub const OWN: &str = "L0SM9cOFvHcCIhw=";
const TEXT: &str = "the quick brown fox jumps over the lazy dog";

/// Creates the event of a message for the echo route.
#[must_use]
pub fn echo() -> Vec<u8> {
    message("echo", &json!({ "action": "echo", "text": TEXT }).to_string())
}

/// Creates the event of a chat message to the lobby.
#[must_use]
pub fn chat() -> Vec<u8> {
    message("chat", &json!({ "action": "chat", "room": "lobby", "text": TEXT }).to_string())
}

fn message(route_key: &str, body: &str) -> Vec<u8> {
    let event = json!({
        "requestContext": {
            "routeKey": route_key,
            "messageId": "YqvlXeQ3joECF9g=",
            "authorizer": { "principalId": "ada", "integrationLatency": 24 },
            "eventType": "MESSAGE",
            "extendedRequestId": "YqvkZFjPjoEFXNQ=",
            "requestTime": "14/Nov/2023:22:13:21 +0000",
            "messageDirection": "IN",
            "stage": "bench",
            "connectedAt": 1_700_000_000_000_u64,
            "requestTimeEpoch": 1_700_000_001_000_u64,
            "identity": {
                "userAgent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
                "sourceIp": "203.0.113.7",
            },
            "requestId": "YqvkZFjPjoEFXNQ=",
            "domainName": "a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com",
            "connectionId": OWN,
            "apiId": "a1b2c3d4e5",
        },
        "body": body,
        "isBase64Encoded": false,
    });
    event.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use tidegate_event::{Event, decode_request};

    #[test]
    fn events_decode_as_messages() {
        for (event, route) in [(super::echo(), "echo"), (super::chat(), "chat")] {
            let request = decode_request(&event).unwrap();
            assert_eq!(request.route_key.as_str(), route);
            assert!(matches!(request.event, Event::Message(_)));
        }
    }
}
