//! A component that exports the handler and the authorizer. Its route sends a message; its authorizer asserts that
//! sending is forbidden.

use exports::tidegate::route::{connect_authorizer, handler};
use tidegate::route::messaging;
use tidegate::route::types::{Error, Handshake, Payload, Reply, Request};

wit_bindgen::generate!({
    path: "../../../wit",
    inline: "
        package test:both;

        world both {
            include tidegate:route/route@0.1.0;
            include tidegate:route/authorizer@0.1.0;
        }
    ",
    world: "test:both/both",
    generate_all,
});

struct Both;

impl handler::Guest for Both {
    fn handle(request: Request) -> Result<Reply, Error> {
        let sent = messaging::send(&request.connection.id, &Payload::Text("as a route".to_owned()));
        assert!(sent.is_ok(), "the route is granted to send to itself: {sent:?}");
        Ok(Reply { status: 200, headers: Vec::new(), body: None })
    }
}

impl connect_authorizer::Guest for Both {
    fn authorize(
        connection: connect_authorizer::Connection,
        _handshake: Handshake,
    ) -> Result<connect_authorizer::Decision, Error> {
        let sent = messaging::send(&connection.id, &Payload::Text("as the authorizer".to_owned()));
        assert!(matches!(sent, Err(messaging::Error::Forbidden)), "an authorizer cannot send: {sent:?}");
        Ok(connect_authorizer::Decision::Deny)
    }
}

export!(Both);
