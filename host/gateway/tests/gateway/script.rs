//! Scripted functions.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use tidegate_gateway::{Caller, Function, Invoke, InvokeError};
use tokio::sync::{Semaphore, mpsc, oneshot};

/// The behaviour of a scripted function.
pub(crate) enum Action {
    /// Replies with this JSON.
    Answer(Value),
    /// Replies with these bytes.
    Raw(&'static str),
    Fail(InvokeError),
    Panic,
    /// Waits until the client has left, then adds a permit and replies with status 200.
    UntilDeparture(Arc<Semaphore>),
    /// Waits for a permit, then acts.
    Wait(Arc<Semaphore>, Box<Action>),
    /// Waits for the test to send the action.
    Ask(oneshot::Receiver<Action>),
}

impl Action {
    /// A reply without a body.
    pub(crate) fn status(status: u16) -> Self {
        Self::Answer(json!({ "statusCode": status }))
    }

    pub(crate) fn body(body: &str) -> Self {
        Self::Answer(json!({ "statusCode": 200, "body": body }))
    }

    pub(crate) fn error(message: &str) -> Self {
        Self::Fail(InvokeError::FunctionError(tidegate_event::FunctionError {
            error_type: "Error".to_owned(),
            error_message: message.to_owned(),
        }))
    }

    pub(crate) fn allow(event: &Value, context: Value) -> Self {
        Self::Answer(json!({
            "principalId": "ann",
            "policyDocument": { "Version": "2012-10-17", "Statement": [
                { "Action": "execute-api:Invoke", "Effect": "Allow", "Resource": event["methodArn"] },
            ] },
            "context": context,
        }))
    }

    pub(crate) fn deny(event: &Value) -> Self {
        Self::Answer(json!({
            "principalId": "ann",
            "policyDocument": { "Version": "2012-10-17", "Statement": [
                { "Action": "execute-api:Invoke", "Effect": "Deny", "Resource": event["methodArn"] },
            ] },
        }))
    }
}

/// Returns the action for an event of a function.
pub(crate) type Script = Box<dyn Fn(Function, &Value) -> Action + Send + Sync>;

/// The port to scripted functions. It records every event.
pub(crate) struct ScriptedInvoke {
    pub(crate) script: Script,
    pub(crate) events: mpsc::UnboundedSender<(Function, Value)>,
}

#[async_trait]
impl Invoke for ScriptedInvoke {
    async fn invoke(&self, function: Function, event: Vec<u8>, caller: Caller<'_>) -> Result<Vec<u8>, InvokeError> {
        let event: Value = serde_json::from_slice(&event).expect("the event is JSON");
        let mut action = (self.script)(function, &event);
        let _ = self.events.send((function, event));
        loop {
            action = match action {
                Action::Answer(answer) => return Ok(answer.to_string().into_bytes()),
                Action::Raw(answer) => return Ok(answer.as_bytes().to_vec()),
                Action::Fail(error) => return Err(error),
                Action::Panic => panic!("scripted"),
                Action::Wait(gate, next) => {
                    gate.acquire().await.expect("the semaphore is open").forget();
                    *next
                }
                Action::UntilDeparture(seen) => {
                    caller.departed.cancelled().await;
                    seen.add_permits(1);
                    Action::status(200)
                }
                Action::Ask(answer) => answer.await.expect("the test sends an action"),
            };
        }
    }
}
