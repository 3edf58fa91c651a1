//! What an event holds, and how a route's arguments are made from it.

use serde::Deserialize;

pub use crate::bindings::route::tidegate::route::types::{
    Closing, Connection, Event, Handshake, Message, Payload, Request,
};
use crate::error::Error;
use crate::reply::Json;

/// An argument of a route, made from the event.
///
/// | argument | is | fails with |
/// |---|---|---|
/// | `&Request` | the whole event, with `request_id`, `route_key` and `received_at` | |
/// | `&Connection` | the connection it came on, with its `id` and `principal` | |
/// | [`Json<T>`] | the message as JSON; `T` may borrow from it | 400, which says what was expected |
/// | `&str` | the message as text | 400 when it is binary |
/// | `&Payload`, `Payload` | the message, text or binary; as a copy | |
/// | `&Message` | the message with its id | |
/// | `&Handshake` | the upgrade request of a `$connect` | |
/// | `&Closing` | the code and the reason of a `$disconnect` | |
/// | `Option<A>` | `A`, or none where the event is of another kind: for a component that serves several routes | as `A` |
///
/// An argument that another kind of event holds (a message on `$connect`, say) fails with 500: the manifest gives the
/// component a route that it was not written for.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be made from a request",
    label = "no argument of a route",
    note = "a route takes `Json<T>`, `&str`, `&Payload`, `&Connection`, `&Request`, `&Handshake`, `&Closing`, or your own type with `FromRequest`"
)]
pub trait FromRequest<'r>: Sized {
    /// Makes the argument.
    ///
    /// # Errors
    ///
    /// What the client should hear; the route is then not called.
    fn from_request(request: &'r Request) -> Result<Self, Error>;
}

impl Request {
    /// The message's payload.
    ///
    /// # Errors
    ///
    /// Status 500 on `$connect` and `$disconnect`.
    pub fn payload(&self) -> Result<&Payload, Error> {
        self.message().map(|message| &message.data)
    }

    /// The message's text.
    ///
    /// # Errors
    ///
    /// Status 400 when the message is binary, 500 on `$connect` and `$disconnect`.
    pub fn text(&self) -> Result<&str, Error> {
        match self.payload()? {
            Payload::Text(text) => Ok(text),
            Payload::Binary(_) => Err(Error::bad_request("expected a text message, got a binary one")),
        }
    }

    /// The message's text, parsed as JSON.
    ///
    /// # Errors
    ///
    /// Status 400 when it is not the JSON that `T` expects, with the place and the expectation; else as [`Self::text`].
    pub fn json<'r, T: Deserialize<'r>>(&'r self) -> Result<T, Error> {
        serde_json::from_str(self.text()?)
            .map_err(|error| Error::bad_request(format!("the message is not what this route expects: {error}")))
    }

    /// The message.
    ///
    /// # Errors
    ///
    /// Status 500 on `$connect` and `$disconnect`.
    pub fn message(&self) -> Result<&Message, Error> {
        match &self.event {
            Event::Message(message) => Ok(message),
            other => Err(mismatch("a message", other)),
        }
    }

    /// The upgrade request.
    ///
    /// # Errors
    ///
    /// Status 500 unless the event is a `$connect`.
    pub fn handshake(&self) -> Result<&Handshake, Error> {
        match &self.event {
            Event::Connect(handshake) => Ok(handshake),
            other => Err(mismatch("a connect", other)),
        }
    }

    /// Why the connection closed.
    ///
    /// # Errors
    ///
    /// Status 500 unless the event is a `$disconnect`.
    pub fn closing(&self) -> Result<&Closing, Error> {
        match &self.event {
            Event::Disconnect(closing) => Ok(closing),
            other => Err(mismatch("a disconnect", other)),
        }
    }
}

impl Connection {
    /// A value of the authorizer's context.
    #[must_use]
    pub fn context_value(&self, name: &str) -> Option<&str> {
        first(&self.context, |key| key == name)
    }
}

impl Handshake {
    /// The first header of that name, in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        first(&self.headers, |key| key.eq_ignore_ascii_case(name))
    }

    /// The first query parameter of that name.
    #[must_use]
    pub fn query_value(&self, name: &str) -> Option<&str> {
        first(&self.query, |key| key == name)
    }

    /// The sub-protocols that the client offers, in its order (RFC 6455 section 11.3.4).
    ///
    /// To accept one, `$connect` answers with it in the header `sec-websocket-protocol`; browsers close a socket whose
    /// offer was passed over.
    pub fn protocols(&self) -> impl Iterator<Item = &str> {
        let offers = self.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-protocol"));
        offers.flat_map(|(_, value)| value.split(',')).map(str::trim).filter(|name| !name.is_empty())
    }
}

fn first(fields: &[(String, String)], is: impl Fn(&str) -> bool) -> Option<&str> {
    fields.iter().find(|(name, _)| is(name)).map(|(_, value)| value.as_str())
}

fn mismatch(expected: &str, event: &Event) -> Error {
    let got = match event {
        Event::Connect(_) => "a connect",
        Event::Message(_) => "a message",
        Event::Disconnect(_) => "a disconnect",
    };
    Error::internal(format!("this component expects {expected} event, and its route got {got} event"))
}

/// Each argument by the accessor that it stands for.
macro_rules! arguments {
    ($($argument:ty => $from:expr;)*) => {
        $(impl<'r> FromRequest<'r> for $argument {
            fn from_request(request: &'r Request) -> Result<Self, Error> {
                let from: fn(&'r Request) -> Result<Self, Error> = $from;
                from(request)
            }
        })*
    };
}

arguments! {
    &'r Request => Ok;
    &'r Connection => |request| Ok(&request.connection);
    &'r Event => |request| Ok(&request.event);
    &'r Message => Request::message;
    &'r Handshake => Request::handshake;
    &'r Closing => Request::closing;
    &'r Payload => Request::payload;
    &'r str => Request::text;
    Payload => |request| request.payload().cloned();
    Option<&'r Message> => |request| Ok(request.message().ok());
    Option<&'r Handshake> => |request| Ok(request.handshake().ok());
    Option<&'r Closing> => |request| Ok(request.closing().ok());
}

impl<'r, T: Deserialize<'r>> FromRequest<'r> for Json<T> {
    fn from_request(request: &'r Request) -> Result<Self, Error> {
        request.json().map(Json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(event: Event) -> Request {
        let connection = Connection {
            id: "c1".into(),
            connected_at: 1,
            source_ip: "127.0.0.1".into(),
            user_agent: None,
            domain_name: "localhost".into(),
            stage: "dev".into(),
            principal: Some("alice".into()),
            context: vec![("role".into(), "admin".into())],
        };
        Request { request_id: "r1".into(), route_key: "chat".into(), received_at: 2, connection, event }
    }

    fn message(data: Payload) -> Request {
        request(Event::Message(Message { id: "m1".into(), data }))
    }

    fn text(data: &str) -> Request {
        message(Payload::Text(data.into()))
    }

    #[derive(Debug, Deserialize)]
    struct Say<'a> {
        room: &'a str,
    }

    #[test]
    fn json_borrows_from_the_message() {
        let request = text(r#"{"room":"lobby"}"#);
        let Json(say) = <Json<Say<'_>>>::from_request(&request).unwrap();
        assert_eq!(say.room, "lobby");
    }

    #[test]
    fn json_that_does_not_fit_is_400_and_says_what_was_expected() {
        for (data, expected) in [
            ("{}", "missing field `room`"),
            (r#"{"room":1}"#, "expected a borrowed string"),
            ("hello", "expected value"),
            ("", "EOF"),
        ] {
            let error = text(data).json::<Say<'_>>().unwrap_err();
            assert_eq!(error.status, 400, "{data}");
            assert!(error.message.contains(expected), "{data}: {}", error.message);
        }
    }

    #[test]
    fn binary_is_no_text() {
        let request = message(Payload::Binary(vec![0xff]));
        assert_eq!(<&str>::from_request(&request).unwrap_err().status, 400);
        assert_eq!(Payload::from_request(&request).unwrap(), Payload::Binary(vec![0xff]));
    }

    #[test]
    fn an_event_of_another_kind_is_500_and_names_both() {
        let request = request(Event::Disconnect(Closing { code: 1005, reason: String::new() }));
        let error = <&str>::from_request(&request).unwrap_err();
        assert_eq!(error.status, 500);
        assert!(error.message.contains("a message event") && error.message.contains("a disconnect event"));
        assert_eq!(<&Closing>::from_request(&request).unwrap().code, 1005);
        assert!(<Option<&Message>>::from_request(&request).unwrap().is_none());
    }

    #[test]
    fn a_connection_tells_its_context() {
        let request = text("");
        let connection = <&Connection>::from_request(&request).unwrap();
        assert_eq!(connection.context_value("role"), Some("admin"));
        assert_eq!(connection.context_value("Role"), None);
    }

    #[test]
    fn a_handshake_lists_its_protocols_from_every_header() {
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let headers = vec![
            field("sec-websocket-protocol", "bearer, abc"),
            field("host", "localhost"),
            field("sec-websocket-protocol", ",chat"),
        ];
        let handshake = Handshake { headers, query: vec![field("token", "t")] };
        assert_eq!(handshake.protocols().collect::<Vec<_>>(), ["bearer", "abc", "chat"]);
        assert_eq!(handshake.header("Host"), Some("localhost"));
        assert_eq!(handshake.query_value("token"), Some("t"));
    }
}
