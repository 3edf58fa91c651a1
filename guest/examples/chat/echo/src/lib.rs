//! Answers with the message as it came.

use tidegate_guest::{Payload, route};

#[route]
fn echo(message: Payload) -> Payload {
    message
}
