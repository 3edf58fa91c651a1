//! The route `chat`. It stores a message and sends it to the room.
//!
//! The sender receives the message too, as confirmation that it is stored.

use chat_model::{Frame, Post, Room, post, user};
use serde::Deserialize;
use tidegate_guest::storage::Collection;
use tidegate_guest::{Error, Json, Request, Result, connections, messaging, route};

/// The longest text, in bytes. A page of the history must fit in one payload.
const MAX_TEXT: usize = 4_096;

#[derive(Deserialize)]
struct Chat {
    room: Room,
    text: String,
}

#[route]
fn chat(request: &Request, Json(Chat { room, text }): Json<Chat>) -> Result<()> {
    check(&text)?;
    let connection = &request.connection;
    let group = room.group();
    // The message itself is the confirmation, and only members receive it.
    if !connections::describe(&connection.id)?.is_member(&group) {
        return Err(Error::forbidden(format!("join `{}` before you chat there", room.name())));
    }
    let post = Post { from: user(connection).to_owned(), text, at: request.received_at };
    let key = post::key(&room, post.at, &request.message()?.id);
    Collection::open(post::COLLECTION)?.put(&key, &post)?;
    messaging::broadcast(&group, Json(Frame::Message { room: &room, post: &post }))?;
    Ok(())
}

fn check(text: &str) -> Result<()> {
    if text.trim().is_empty() || text.len() > MAX_TEXT {
        return Err(Error::bad_request(format!("`text` is 1 to {MAX_TEXT} bytes and not blank")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_and_oversized_texts_are_refused() {
        assert_eq!(check(" \n").unwrap_err().status, 400);
        assert_eq!(check(&"a".repeat(MAX_TEXT + 1)).unwrap_err().status, 400);
        assert!(check("hi").is_ok() && check(&"a".repeat(MAX_TEXT)).is_ok());
    }
}
