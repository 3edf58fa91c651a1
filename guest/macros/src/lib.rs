//! The attributes of `tidegate-guest`. Use them from there: the SDK re-exports them.
//!
//! - [`macro@route`]: exports a function as the handler of a route
//! - [`macro@authorizer`]: exports a function as the authorizer of `$connect`
//!
//! The module `entry` parses the annotated function and generates its export.

mod entry;

use proc_macro::TokenStream;

use crate::entry::Entry;

/// Exports a function as the handler of a route: the component's `tidegate:route/handler`.
///
/// The SDK makes each argument from the event with `FromRequest`, and the reply from the return value with `IntoReply`.
/// A component has one handler. Routes that share a component differ in `Request::route_key`.
#[proc_macro_attribute]
pub fn route(attribute: TokenStream, item: TokenStream) -> TokenStream {
    expand("route", attribute, item, Entry::into_route)
}

/// Exports a function as the authorizer of `$connect`: the component's `tidegate:route/connect-authorizer`.
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
