//! The attributes of `tidegate-guest`, which re-exports them; use them from there.
//!
//! - [`macro@route`]: makes a function the handler of a route
//! - [`macro@authorizer`]: makes a function the authorizer of `$connect`
//!
//! The module `entry` is the function under an attribute.

mod entry;

use proc_macro::TokenStream;

use crate::entry::Entry;

/// Makes a function the handler of a route: the component's `tidegate:route/handler`.
///
/// Each argument is made from the event by `FromRequest`, and what the function returns becomes the reply by
/// `IntoReply`. A component has one handler; routes that share a component tell themselves apart by
/// `Request::route_key`.
///
/// ```text
/// #[route]
/// fn chat(connection: &Connection, Json(message): Json<Message>) -> Result<(), Error> { … }
/// ```
#[proc_macro_attribute]
pub fn route(attribute: TokenStream, item: TokenStream) -> TokenStream {
    expand("route", attribute, item, Entry::into_route)
}

/// Makes a function the authorizer of `$connect`: the component's `tidegate:route/connect-authorizer`.
///
/// ```text
/// #[authorizer]
/// fn authorize(connection: &Connection, handshake: &Handshake) -> Result<Decision, Error> { … }
/// ```
#[proc_macro_attribute]
pub fn authorizer(attribute: TokenStream, item: TokenStream) -> TokenStream {
    expand("authorizer", attribute, item, Entry::into_authorizer)
}

fn expand(
    name: &str,
    attribute: TokenStream,
    item: TokenStream,
    generate: fn(Entry) -> syn::Result<proc_macro2::TokenStream>,
) -> TokenStream {
    let result = Entry::parse(name, attribute.into(), item.into()).and_then(generate);
    result.unwrap_or_else(syn::Error::into_compile_error).into()
}
