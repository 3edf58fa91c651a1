//! Bindings that are generated from `wit/`. They cover both worlds, because a component may export either interface or
//! both.

wasmtime::component::bindgen!({
    path: "../../wit",
    inline: r#"
        package tidegate:host;

        world sandbox {
            include tidegate:route/route@0.1.0;
            include tidegate:route/authorizer@0.1.0;
        }
    "#,
    world: "tidegate:host/sandbox",
    imports: {
        "wasi:config/store": trappable,
        "tidegate:route/storage.open": trappable,
        "tidegate:route/storage.[drop]collection": trappable,
        default: async | trappable,
    },
    exports: { default: async },
    with: {
        "tidegate:route/storage.collection": crate::imports::collection::Collection,
    },
});
