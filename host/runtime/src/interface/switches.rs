//! The switches of tools that keep a component from importing an interface which hosts do not offer.

use super::{CONFIG, WIT_PACKAGE, WIT_VERSION, package, version};

/// Interfaces by the beginning of their names, with the remedy.
const SWITCHES: [(&str, &str); 10] = [
    (
        "wasi:http/",
        "a route has no network: for ComponentizeJS and jco, build with `--disable http --disable fetch-event`; for \
         other tool chains, build for the world `route` instead of `wasi:http/proxy`, without a library for HTTP",
    ),
    ("wasi:keyvalue/", "use `tidegate:route/storage` instead, and grant `grants.storage`"),
    ("wasi:blobstore/", "use `tidegate:route/storage` instead, and grant `grants.storage`"),
    ("wasi:sql/", "use `tidegate:route/storage` instead, and grant `grants.storage`"),
    ("wasi:messaging/", "use `tidegate:route/messaging` instead, and grant `grants.messaging`"),
    ("wasi:logging/", "write to standard output or standard error instead: the host logs each line"),
    ("wasi:tls/", "a route has no network: leave out the library that connects"),
    ("wasi:nn/", "compute in the component itself, or ask a service outside of the route"),
    ("wasi:threads/", "build without threads: for Rust, use the target `wasm32-wasip2`; for C, leave out `-pthread`"),
    (
        "wasi_snapshot_preview1",
        "build for WASI 0.2: for Rust, use the target `wasm32-wasip2`; otherwise adapt the module with \
         `wasm-tools component new --adapt`",
    ),
];

/// Returns the remedy for an import that the host does not offer.
pub(super) fn hint(import: &str) -> String {
    if import.starts_with("wasi:config/") {
        return format!(
            "this host offers `{CONFIG}`: build with the WIT package of `tidegate:route@{WIT_VERSION}`, which has that \
             version in its `deps`"
        );
    }
    if package(import) == WIT_PACKAGE {
        return format!(
            "`tidegate:route@{WIT_VERSION}` has no such interface: build with the WIT package of this host"
        );
    }
    if let Some((_, hint)) = SWITCHES.iter().find(|(start, _)| import.starts_with(start)) {
        return (*hint).to_owned();
    }
    if import.starts_with("wasi:") && version(import).starts_with("0.2.0-") {
        return "the component was built for a draft of WASI 0.2: update the tool chain to one for WASI 0.2.0 or later"
            .to_owned();
    }
    if import.starts_with("wasi:") && version(import).starts_with("0.3") {
        return "build for WASI 0.2: for Rust, use the target `wasm32-wasip2` instead of `wasm32-wasip3`; for \
                ComponentizeJS and componentize-py, use a world with WASI 0.2"
            .to_owned();
    }
    format!(
        "remove the dependency that imports it: a component may import WASI 0.2 and the interfaces of \
         `tidegate:route@{WIT_VERSION}`"
    )
}
