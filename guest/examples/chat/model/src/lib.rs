//! Types that the routes of the chat share.
//!
//! - [`room`]: a room and its name
//! - [`frame`]: the frames that the server sends to clients
//! - [`post`]: a message as it is stored

pub mod frame;
pub mod post;
pub mod room;

pub use frame::Frame;
pub use post::Post;
pub use room::Room;

use tidegate_guest::Connection;

/// Returns the user of a connection: the subject of the token, which the authorizer made the principal.
#[must_use]
pub fn user(connection: &Connection) -> &str {
    connection.principal.as_deref().unwrap_or("anonymous")
}
