//! A component without an export that the host calls.

use exports::test::stranger::greeting::Guest;

wit_bindgen::generate!({
    inline: "
        package test:stranger@1.0.0;

        interface greeting {
            greet: func() -> string;
        }

        world stranger {
            export greeting;
        }
    ",
});

struct Stranger;

impl Guest for Stranger {
    fn greet() -> String {
        "hello".to_owned()
    }
}

export!(Stranger);
