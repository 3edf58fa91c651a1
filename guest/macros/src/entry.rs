//! The function under an attribute.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, FnArg, ItemFn, Result, Type};

/// A function that an attribute may stand on: plain, not generic, not a method.
pub(crate) struct Entry {
    function: ItemFn,
    arguments: Vec<Type>,
}

impl Entry {
    /// Reads the function, and refuses what no event could call.
    pub(crate) fn parse(name: &str, attribute: TokenStream, item: TokenStream) -> Result<Self> {
        if !attribute.is_empty() {
            return Err(Error::new_spanned(
                attribute,
                format!("`#[{name}]` takes no arguments: the manifest says which route a component serves"),
            ));
        }
        let function: ItemFn = syn::parse2(item)?;
        let signature = &function.sig;
        if let Some(token) = &signature.asyncness {
            let text = format!("`#[{name}]` takes a plain function: calls to the host return when they are done");
            return Err(Error::new_spanned(token, text));
        }
        if signature.generics.type_params().next().is_some() || signature.generics.const_params().next().is_some() {
            let text = format!("`#[{name}]` takes a function without type parameters");
            return Err(Error::new_spanned(&signature.generics, text));
        }
        let arguments = signature.inputs.iter().map(argument).collect::<Result<_>>()?;
        Ok(Self { function, arguments })
    }

    /// The function with the export of `tidegate:route/handler`.
    pub(crate) fn into_route(self) -> Result<TokenStream> {
        let Self { function, arguments } = self;
        let name = &function.sig.ident;
        let values = arguments.iter().map(|argument| {
            // The span of the type makes the compiler point at an argument that no request can give.
            quote_spanned! { argument.span() => <#argument as ::tidegate_guest::FromRequest<'_>>::from_request(&request)? }
        });
        let output = match &function.sig.output {
            syn::ReturnType::Default => name.span(),
            syn::ReturnType::Type(_, output) => output.span(),
        };
        let convert = quote_spanned! { output => ::tidegate_guest::IntoReply::into_reply };
        Ok(quote! {
            #function

            #[allow(unsafe_code)]
            const _: () = {
                struct Route;
                impl ::tidegate_guest::bindings::route::exports::tidegate::route::handler::Guest for Route {
                    fn handle(
                        request: ::tidegate_guest::Request,
                    ) -> ::core::result::Result<::tidegate_guest::Reply, ::tidegate_guest::Error> {
                        let reply = #convert(#name(#(#values),*));
                        reply
                    }
                }
                ::tidegate_guest::bindings::route::export!(Route with_types_in ::tidegate_guest::bindings::route);
            };
        })
    }

    /// The function with the export of `tidegate:route/connect-authorizer`.
    pub(crate) fn into_authorizer(self) -> Result<TokenStream> {
        let Self { function, arguments } = self;
        if arguments.len() != 2 {
            let text = "an authorizer takes `connection: &Connection, handshake: &Handshake`";
            return Err(Error::new_spanned(&function.sig, text));
        }
        let name = &function.sig.ident;
        Ok(quote! {
            #function

            #[allow(unsafe_code)]
            const _: () = {
                struct Authorizer;
                impl ::tidegate_guest::bindings::authorizer::exports::tidegate::route::connect_authorizer::Guest
                    for Authorizer
                {
                    fn authorize(
                        connection: ::tidegate_guest::Connection,
                        handshake: ::tidegate_guest::Handshake,
                    ) -> ::core::result::Result<::tidegate_guest::Decision, ::tidegate_guest::Error> {
                        #name(&connection, &handshake)
                    }
                }
                ::tidegate_guest::bindings::authorizer::export!(
                    Authorizer with_types_in ::tidegate_guest::bindings::authorizer
                );
            };
        })
    }
}

fn argument(input: &FnArg) -> Result<Type> {
    match input {
        FnArg::Typed(argument) => Ok((*argument.ty).clone()),
        FnArg::Receiver(receiver) => Err(Error::new_spanned(receiver.to_token_stream(), "a route is no method")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(attribute: TokenStream, item: TokenStream) -> String {
        let result = Entry::parse("route", attribute, item).and_then(Entry::into_route);
        result.expect_err("the entry must be refused").to_string()
    }

    #[test]
    fn a_route_keeps_its_function_and_exports_it() {
        let item = quote! { fn echo(message: Payload) -> Payload { message } };
        let text = Entry::parse("route", TokenStream::new(), item).and_then(Entry::into_route).unwrap().to_string();
        assert!(text.starts_with("fn echo (message : Payload) -> Payload { message }"), "{text}");
        assert!(text.contains("handler :: Guest for Route"), "{text}");
    }

    #[test]
    fn what_no_event_could_call_is_refused() {
        assert!(refusal(quote!("chat"), quote! { fn f() {} }).contains("takes no arguments"));
        assert!(refusal(quote!(), quote! { async fn f() {} }).contains("plain function"));
        assert!(refusal(quote!(), quote! { fn f<T>(t: T) {} }).contains("without type parameters"));
        assert!(refusal(quote!(), quote! { fn f(&self) {} }).contains("no method"));
        assert!(refusal(quote!(), quote! { struct S; }).contains("expected"));
    }

    #[test]
    fn an_authorizer_takes_the_connection_and_the_handshake() {
        let item = quote! { fn authorize(handshake: &Handshake) -> Result<Decision, Error> { todo() } };
        let result = Entry::parse("authorizer", TokenStream::new(), item).and_then(Entry::into_authorizer);
        assert!(result.expect_err("one argument is too few").to_string().contains("&Connection"));
    }
}
