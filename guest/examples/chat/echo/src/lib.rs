//! The route `echo`. It returns the message unchanged.

use tidegate_guest::{Payload, route};

#[route]
fn echo(message: Payload) -> Payload {
    message
}
