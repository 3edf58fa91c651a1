//! What the routes of the chat share.
//!
//! - [`room`]: a room, by its name
//! - [`frame`]: what the server says to clients
//! - [`post`]: a message, as it is stored

pub mod frame;
pub mod post;
pub mod room;

pub use frame::Frame;
pub use post::Post;
pub use room::Room;

use tidegate_guest::Connection;

/// Who is on the connection: what the authorizer found in the token.
#[must_use]
pub fn user(connection: &Connection) -> &str {
    connection.principal.as_deref().unwrap_or("anonymous")
}
