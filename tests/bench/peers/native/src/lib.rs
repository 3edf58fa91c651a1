//! The chat's measured routes without Tidegate, on `lambda_runtime` and the AWS SDK as their documentation shows.
//!
//! The function makes the same calls as Tidegate's host for the same event, in the same order and with the same number
//! of concurrent posts, on tables of the same shape. Other routes and the registration of connections are left out,
//! because they are not measured.
//!
//! - `event`: the used parts of API Gateway's events and responses
//! - `chat`: the AWS clients and the two routes

mod chat;
mod event;

use lambda_runtime::{Error, LambdaEvent, service_fn};

use chat::Chat;
use event::Event;

/// Answers events until Lambda ends the process.
///
/// # Errors
/// A variable of the environment is missing, or Parameter Store or the Runtime API fails.
pub async fn run() -> Result<(), Error> {
    lambda_runtime::tracing::init_default_subscriber();
    let chat = Chat::new().await?;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Event>| chat.answer(event.payload).await)).await
}
