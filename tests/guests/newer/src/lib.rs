//! A component that was built against a version of the WIT package which the host does not support.

use exports::tidegate::route::handler::Guest;

wit_bindgen::generate!({
    inline: "
        package tidegate:route@0.2.0;

        interface handler {
            handle: func(request: string) -> string;
        }

        world route {
            export handler;
        }
    ",
});

struct Newer;

impl Guest for Newer {
    fn handle(request: String) -> String {
        request
    }
}

export!(Newer);
