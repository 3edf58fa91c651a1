//! Properties that hold for every input: no input makes the code panic, and a value that is encoded decodes to itself.
//!
//! Each property takes the bytes of one input. It reads them twice: as the text that a stranger sends, and as the
//! source of random choices for a valid value. `cargo fuzz` looks for inputs that break a property (`make fuzz`). The
//! inputs in `corpus` are kept, and `make test` replays them.
//!
//! - [`event`]: proxy events, replies, decisions and function errors
//! - [`selection`]: route selection expressions and the messages that they read
//! - [`manifest`]: `tidegate.toml` and `app.json`
//! - [`envelope`], [`release_manifest`]: signed releases and their content
//! - [`document`]: documents, as JSON and as DynamoDB's attribute values
//! - [`connections_path`], [`http_head`], [`frames`]: the gateway, through a socket

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a property that does not hold panics"
)]

mod connections_path;
mod document;
mod envelope;
mod event;
mod fields;
mod frames;
mod http_head;
mod json;
mod manifest;
mod reference;
mod release_manifest;
mod selection;
mod server;
mod table;
mod values;

pub use connections_path::connections_path;
pub use document::document;
pub use envelope::envelope;
pub use event::event;
pub use frames::frames;
pub use http_head::http_head;
pub use manifest::manifest;
pub use release_manifest::release_manifest;
pub use selection::selection;

/// A property of all inputs. It panics if it does not hold.
pub type Property = fn(&[u8]);

/// The properties by name. The kept inputs of a property are in the folder of its name in `corpus`.
pub const PROPERTIES: [(&str, Property); 9] = [
    ("connections_path", connections_path),
    ("document", document),
    ("envelope", envelope),
    ("event", event),
    ("frames", frames),
    ("http_head", http_head),
    ("manifest", manifest),
    ("release_manifest", release_manifest),
    ("selection", selection),
];
