//! The chat's measured routes without Tidegate: `lambda_runtime` and the AWS SDK, used as their documentation says.
//!
//! It makes the calls that Tidegate's host makes for the same event, in the same order and with as many posts under way,
//! on tables of the same shape. What is not measured is not here: other routes, and the registration of connections.
//!
//! - `event`: the events and answers of API Gateway, as far as they are used
//! - `chat`: the clients, and the two routes

mod chat;
mod event;

use lambda_runtime::{Error, LambdaEvent, service_fn};

use chat::Chat;
use event::Event;

/// Answers events until Lambda ends the process.
///
/// # Errors
/// The environment is not a function's, or Parameter Store or the Runtime API fails.
pub async fn run() -> Result<(), Error> {
    lambda_runtime::tracing::init_default_subscriber();
    let chat = Chat::new().await?;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Event>| chat.answer(event.payload).await)).await
}
