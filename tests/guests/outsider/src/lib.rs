//! A route that imports an interface which the host does not have.

use exports::tidegate::route::handler::Guest;
use tidegate::route::types::{Error, Reply, Request};

wit_bindgen::generate!({
    path: "../../../wit",
    inline: "
        package test:outsider@1.0.0;

        interface moon {
            phase: func() -> u8;
        }

        world outsider {
            include tidegate:route/route@0.1.0;
            import moon;
        }
    ",
    world: "test:outsider/outsider",
    generate_all,
});

struct Outsider;

impl Guest for Outsider {
    fn handle(_request: Request) -> Result<Reply, Error> {
        Ok(Reply { status: 200 + u16::from(test::outsider::moon::phase()), headers: Vec::new(), body: None })
    }
}

export!(Outsider);
