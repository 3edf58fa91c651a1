//! A check that all functions give the same response, make the same calls and send the same messages for an event.
//!
//! The check runs before every measurement, because a function that does less would look faster.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use serde_json::Value;
use tidegate_event::{Payload, decode_reply};

use crate::aws::{Aws, Calls, Seen};
use crate::events;
use crate::function::Function;
use crate::process::Process;

/// Behaviour of a function at start-up and for each event.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Behaviour {
    /// Calls at start-up.
    pub start: Calls,
    /// Behaviour for an echo.
    pub echo: Done,
    /// Behaviour for a chat message.
    pub chat: Done,
}

/// Behaviour of a function for an event.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Done {
    /// Status of the response.
    pub status: u16,
    /// Text of the response.
    pub text: Option<String>,
    /// Calls by operation.
    pub calls: Calls,
    /// Posted messages by connection. They are parsed, because the order of members and white space do not matter.
    pub messages: BTreeMap<String, Vec<Value>>,
}

/// Starts a function and records its behaviour. The stub's group does not change.
///
/// # Errors
/// The function does not start or does not respond, or a response or message is invalid.
pub async fn watch(function: &Function, aws: &Aws) -> Result<Behaviour> {
    drop(aws.take());
    aws.keep_messages(true);
    let mut process = Process::start(function, &aws.url()).await?;
    process.idle().await?;
    let start = aws.take().calls;
    let echo = one(&mut process, events::echo(), aws).await?;
    let chat = one(&mut process, events::chat(), aws).await?;
    aws.keep_messages(false);
    process.stop().await?;
    Ok(Behaviour { start, echo, chat })
}

async fn one(process: &mut Process, event: Vec<u8>, aws: &Aws) -> Result<Done> {
    let answer = process.invoke(event).await?;
    // Calls after the response count too.
    process.idle().await?;
    done(&answer, aws.take())
}

fn done(answer: &[u8], seen: Seen) -> Result<Done> {
    let context = || format!("invalid response: {}", String::from_utf8_lossy(answer));
    let reply = decode_reply(answer).with_context(context)?;
    let text = match reply.body {
        Some(Payload::Text(text)) => Some(text),
        None => None,
        Some(_) => bail!("a binary response to a text message"),
    };
    let json = |body: &Bytes| serde_json::from_slice(body).context("a posted message is not JSON");
    let messages =
        seen.messages.into_iter().map(|(id, bodies)| Ok((id, bodies.iter().map(json).collect::<Result<_>>()?)));
    Ok(Done { status: reply.status, text, calls: seen.calls, messages: messages.collect::<Result<_>>()? })
}

impl Behaviour {
    /// Returns the differences from `other`, each as a sentence.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut found = calls("at the start", &self.start, &other.start);
        for (event, one, other) in [("an echo", &self.echo, &other.echo), ("a chat message", &self.chat, &other.chat)] {
            if (one.status, &one.text) != (other.status, &other.text) {
                let old = (one.status, &one.text);
                let new = (other.status, &other.text);
                found.push(format!("for {event} the response is {new:?} instead of {old:?}"));
            }
            found.extend(calls(&format!("for {event}"), &one.calls, &other.calls));
            if one.messages != other.messages {
                found.push(format!("for {event} the posted messages differ"));
            }
        }
        found
    }
}

fn calls(when: &str, one: &Calls, other: &Calls) -> Vec<String> {
    let operations: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    let count = |calls: &Calls, operation: &str| calls.get(operation).copied().unwrap_or_default();
    let differing = operations.into_iter().filter_map(|operation| {
        let old = count(one, operation);
        let new = count(other, operation);
        (old != new).then(|| format!("{when} `{operation}` is called {new} times instead of {old}"))
    });
    differing.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(calls: &[(&str, usize)]) -> Calls {
        calls.iter().map(|&(operation, count)| (operation.to_owned(), count)).collect()
    }

    fn chat(answer: &[u8], calls: &[(&str, usize)], message: &'static str) -> Behaviour {
        let messages = [("a=".to_owned(), vec![Bytes::from_static(message.as_bytes())])].into();
        let seen = Seen { calls: counted(calls), in_flight: vec![1], messages, ..Seen::default() };
        Behaviour { chat: done(answer, seen).unwrap(), ..Behaviour::default() }
    }

    #[test]
    fn white_space_and_member_order_do_not_matter() {
        let calls = [("Query", 1), ("PostToConnection", 2)];
        let one = chat(br#"{"statusCode":200,"isBase64Encoded":false}"#, &calls, r#"{"a":1,"b":2}"#);
        let other = chat(br#"{ "statusCode": 200 }"#, &calls, r#"{ "b": 2, "a": 1 }"#);
        assert_eq!(one.differences(&other), Vec::<String>::new());
    }

    #[test]
    fn different_calls_are_named_with_their_event() {
        let one = chat(br#"{"statusCode":200}"#, &[("Query", 1), ("GetItem", 1)], "{}");
        let other = chat(br#"{"statusCode":200}"#, &[("Query", 2)], "{}");
        assert_eq!(
            one.differences(&other),
            [
                "for a chat message `GetItem` is called 0 times instead of 1",
                "for a chat message `Query` is called 2 times instead of 1",
            ]
        );
        let started = Behaviour { start: counted(&[("GetParameters", 1)]), ..Behaviour::default() };
        let found = started.differences(&Behaviour::default());
        assert_eq!(found, ["at the start `GetParameters` is called 0 times instead of 1"]);
    }

    #[test]
    fn different_responses_and_messages_are_named() {
        let one = chat(br#"{"statusCode":200}"#, &[], r#"{"a":1}"#);
        let refused = chat(br#"{"statusCode":403,"body":"no"}"#, &[], r#"{"a":2}"#);
        let found = one.differences(&refused);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("403") && found[1].contains("messages"), "{found:?}");
    }

    #[test]
    fn invalid_responses_are_refused() {
        assert!(done(b"null", Seen::default()).is_err());
        assert!(done(br#"{"statusCode":200,"body":"AAAA","isBase64Encoded":true}"#, Seen::default()).is_err());
    }
}
