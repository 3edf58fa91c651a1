//! The arguments of a route.

use serde::Deserialize;

use crate::error::Error;
use crate::reply::Json;
use crate::request::{Closing, Connection, Event, Handshake, Message, Payload, Request};

/// An argument of a route, made from the event. A route takes any number of them, in any order.
///
/// | argument | value | error |
/// |---|---|---|
/// | `&Request` | the whole event, with `request_id`, `route_key` and `received_at` | |
/// | `&Connection` | the connection of the event, with its `id` and `principal` | |
/// | [`Json<T>`] | the message as JSON; `T` can borrow from it | 400, which names the expectation |
/// | `&str` | the message as text | 400 if it is binary |
/// | `&Payload`, `Payload` | the message as text or bytes; `Payload` is a copy | |
/// | `&Message` | the message with its id | |
/// | `&Handshake` | the upgrade request of a `$connect` | |
/// | `&Closing` | the code and the reason of a `$disconnect` | |
/// | `&Event` | the event's kind with its data | |
/// | `Option<&Message>`, `Option<&Handshake>`, `Option<&Closing>` | none if the event has another kind | |
///
/// An argument that belongs to another kind of event (a message on `$connect`, for example) fails with status 500,
/// because the manifest gives the component a route that it was not written for.
///
/// Implement the trait for an argument of your own:
///
/// ```
/// use tidegate_guest::{Error, FromRequest, Request, route};
///
/// struct Principal<'r>(&'r str);
///
/// impl<'r> FromRequest<'r> for Principal<'r> {
///     fn from_request(request: &'r Request) -> Result<Self, Error> {
///         let principal = request.connection.principal.as_deref();
///         principal.map(Self).ok_or_else(|| Error::unauthorized("log in first"))
///     }
/// }
///
/// #[route]
/// fn whoami(Principal(name): Principal<'_>) -> String {
///     name.to_owned()
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be made from a request",
    label = "not an argument of a route",
    note = "a route takes `Json<T>`, `&str`, `&Payload`, `&Connection`, `&Request`, `&Handshake`, `&Closing`",
    note = "your own type can be an argument if it implements `FromRequest`"
)]
pub trait FromRequest<'r>: Sized {
    /// Makes the argument.
    ///
    /// ```
    /// # use tidegate_guest::{Connection, FromRequest, Request, Result};
    /// fn id(request: &Request) -> Result<&str> {
    ///     Ok(&<&Connection>::from_request(request)?.id)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// The error for the client. The host then returns it as the route's error, without a call of the route.
    fn from_request(request: &'r Request) -> Result<Self, Error>;
}

/// Implements [`FromRequest`] for each type with an accessor of [`Request`].
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
