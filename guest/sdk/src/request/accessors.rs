//! Accessors of the event's types.

use serde::Deserialize;

use crate::error::Error;
use crate::request::{Closing, Connection, Event, Handshake, Message, Payload, Request};

impl Request {
    /// Returns the payload of the message.
    ///
    /// ```
    /// # use tidegate_guest::{Payload, Request, Result};
    /// fn is_text(request: &Request) -> Result<bool> {
    ///     Ok(matches!(request.payload()?, Payload::Text(_)))
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Status 500 on `$connect` and `$disconnect`.
    pub fn payload(&self) -> Result<&Payload, Error> {
        self.message().map(|message| &message.data)
    }

    /// Returns the text of the message.
    ///
    /// ```
    /// # use tidegate_guest::{Request, Result};
    /// fn words(request: &Request) -> Result<usize> {
    ///     Ok(request.text()?.split_whitespace().count())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Status 400 if the message is binary, 500 on `$connect` and `$disconnect`.
    pub fn text(&self) -> Result<&str, Error> {
        match self.payload()? {
            Payload::Text(text) => Ok(text),
            Payload::Binary(_) => Err(Error::bad_request("expected a text message, got a binary one")),
        }
    }

    /// Parses the text of the message as JSON. `T` can borrow from the message.
    ///
    /// ```
    /// # use tidegate_guest::{Request, Result};
    /// #[derive(serde::Deserialize)]
    /// struct Say<'a> { room: &'a str }
    ///
    /// fn room(request: &Request) -> Result<&str> {
    ///     Ok(request.json::<Say<'_>>()?.room)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Status 400 if the text is not the JSON that `T` expects; the message names the position and the expectation.
    /// Otherwise the errors of [`Self::text`].
    pub fn json<'r, T: Deserialize<'r>>(&'r self) -> Result<T, Error> {
        serde_json::from_str(self.text()?)
            .map_err(|error| Error::bad_request(format!("the message is not what this route expects: {error}")))
    }

    /// Returns the message with its id.
    ///
    /// ```
    /// # use tidegate_guest::{Request, Result};
    /// fn key(request: &Request) -> Result<String> {
    ///     Ok(format!("{}-{}", request.received_at, request.message()?.id))
    /// }
    /// ```
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

    /// Returns the upgrade request.
    ///
    /// ```
    /// # use tidegate_guest::{Request, Result};
    /// fn origin(request: &Request) -> Result<Option<&str>> {
    ///     Ok(request.handshake()?.header("origin"))
    /// }
    /// ```
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

    /// Returns the close code and reason.
    ///
    /// ```
    /// # use tidegate_guest::{Request, Result};
    /// fn is_normal(request: &Request) -> Result<bool> {
    ///     Ok(request.closing()?.code == 1000)
    /// }
    /// ```
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
    /// Returns a value of the authorizer's context.
    ///
    /// ```
    /// # use tidegate_guest::Connection;
    /// fn is_admin(connection: &Connection) -> bool {
    ///     connection.context_value("role") == Some("admin")
    /// }
    /// ```
    #[must_use]
    pub fn context_value(&self, name: &str) -> Option<&str> {
        first(&self.context, |key| key == name)
    }
}

impl Handshake {
    /// Returns the first header with a name. The case of the name does not matter.
    ///
    /// ```
    /// # use tidegate_guest::Handshake;
    /// let handshake = Handshake { headers: vec![("host".into(), "localhost".into())], query: vec![] };
    /// assert_eq!(handshake.header("Host"), Some("localhost"));
    /// ```
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        first(&self.headers, |key| key.eq_ignore_ascii_case(name))
    }

    /// Returns the first query parameter with a name. The case of the name matters.
    ///
    /// ```
    /// # use tidegate_guest::Handshake;
    /// let handshake = Handshake { headers: vec![], query: vec![("room".into(), "lobby".into())] };
    /// assert_eq!(handshake.query_value("room"), Some("lobby"));
    /// ```
    #[must_use]
    pub fn query_value(&self, name: &str) -> Option<&str> {
        first(&self.query, |key| key == name)
    }

    /// Returns the sub-protocols that the client offers, in its order of preference (RFC 6455 section 11.3.4).
    ///
    /// `$connect` accepts one of them with the header `sec-websocket-protocol`. A browser closes the socket if it
    /// offered sub-protocols and none was accepted.
    ///
    /// ```
    /// use tidegate_guest::{Handshake, Reply};
    ///
    /// fn accept(handshake: &Handshake) -> Reply {
    ///     match handshake.protocols().find(|name| *name == "chat.v1") {
    ///         Some(name) => Reply::default().header("sec-websocket-protocol", name),
    ///         None => Reply::status(400),
    ///     }
    /// }
    ///
    /// let headers = vec![("sec-websocket-protocol".into(), "chat.v2, chat.v1".into())];
    /// assert_eq!(accept(&Handshake { headers, query: vec![] }).status, 200);
    /// ```
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
