//! Parsing of an annotated function, and generation of its export.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, FnArg, ItemFn, Result, Type};

/// An annotated function: synchronous, not generic, not a method.
pub(crate) struct Entry {
    function: ItemFn,
    arguments: Vec<Type>,
}

impl Entry {
    /// Parses the function. Refuses a function that the host could not call with an event.
    pub(crate) fn parse(name: &str, attribute: TokenStream, item: TokenStream) -> Result<Self> {
        if !attribute.is_empty() {
            return Err(Error::new_spanned(
                attribute,
                format!("`#[{name}]` takes no arguments: the manifest assigns routes to components"),
            ));
        }
        let function: ItemFn = syn::parse2(item)?;
        let signature = &function.sig;
        if let Some(token) = &signature.asyncness {
            let text = format!("`#[{name}]` takes a synchronous function: calls to the host block");
            return Err(Error::new_spanned(token, text));
        }
        if signature.generics.type_params().next().is_some() || signature.generics.const_params().next().is_some() {
            let text = format!("`#[{name}]` takes a function without type parameters");
            return Err(Error::new_spanned(&signature.generics, text));
        }
        let arguments = signature.inputs.iter().map(argument).collect::<Result<_>>()?;
        Ok(Self { function, arguments })
    }

    /// Generates the function and its export as `tidegate:route/handler`.
    pub(crate) fn into_route(self) -> Result<TokenStream> {
        let Self { function, arguments } = self;
        let name = &function.sig.ident;
        let values = arguments.iter().map(|argument| {
            // The span of the type makes the compiler point at an argument that does not implement the trait.
            quote_spanned! { argument.span() =>
                <#argument as ::tidegate_guest::FromRequest<'_>>::from_request(&request)?
            }
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

    /// Generates the function and its export as `tidegate:route/connect-authorizer`.
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
        FnArg::Receiver(receiver) => Err(Error::new_spanned(receiver.to_token_stream(), "a route cannot be a method")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of(attribute: TokenStream, item: TokenStream) -> String {
        let result = Entry::parse("route", attribute, item).and_then(Entry::into_route);
        result.expect_err("the entry must be refused").to_string()
    }

    #[test]
    fn route_keeps_its_function_and_exports_it() {
        let item = quote! { fn echo(message: Payload) -> Payload { message } };
        let text = Entry::parse("route", TokenStream::new(), item).and_then(Entry::into_route).unwrap().to_string();
        assert!(text.starts_with("fn echo (message : Payload) -> Payload { message }"), "{text}");
        assert!(text.contains("handler :: Guest for Route"), "{text}");
    }

    #[test]
    fn functions_that_the_host_cannot_call_are_refused() {
        assert!(error_of(quote!("chat"), quote! { fn f() {} }).contains("takes no arguments"));
        assert!(error_of(quote!(), quote! { async fn f() {} }).contains("synchronous function"));
        assert!(error_of(quote!(), quote! { fn f<T>(t: T) {} }).contains("without type parameters"));
        assert!(error_of(quote!(), quote! { fn f(&self) {} }).contains("cannot be a method"));
        assert!(error_of(quote!(), quote! { struct S; }).contains("expected"));
    }

    #[test]
    fn authorizer_takes_the_connection_and_the_handshake() {
        let item = quote! { fn authorize(handshake: &Handshake) -> Result<Decision, Error> { todo() } };
        let result = Entry::parse("authorizer", TokenStream::new(), item).and_then(Entry::into_authorizer);
        assert!(result.expect_err("one argument is too few").to_string().contains("&Connection"));
    }
}
