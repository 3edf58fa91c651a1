//! Bindings of the WIT package, generated from `wit/`. The attributes use them; a route uses the other modules.

#![allow(missing_docs, unsafe_code, unreachable_pub, clippy::all, clippy::restriction)]

/// The world of a route, with all types and all imports.
pub mod route {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "tidegate:route/route",
        generate_all,
        pub_export_macro: true,
        export_macro_name: "__export_route",
        default_bindings_module: "tidegate_guest::bindings::route",
        additional_derives: [PartialEq],
        additional_derives_ignore: ["operation", "collection"],
    });
    pub use __export_route as export;
}

/// The world of an authorizer. It shares the types and the import with the world of a route.
pub mod authorizer {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "tidegate:route/authorizer",
        with: {
            "tidegate:route/types@0.1.0": crate::bindings::route::tidegate::route::types,
            "wasi:config/store@0.2.0-rc.1": crate::bindings::route::wasi::config::store,
        },
        pub_export_macro: true,
        export_macro_name: "__export_authorizer",
        default_bindings_module: "tidegate_guest::bindings::authorizer",
        additional_derives: [PartialEq],
    });
    pub use __export_authorizer as export;
}
