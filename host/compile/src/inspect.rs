//! The imports and exports of a component, read without compiling it.

use tidegate_runtime::Interfaces;
use wasmparser::{BinaryReaderError, ComponentExternName, Parser, Payload};

use crate::Error;

/// The first bytes of every WebAssembly binary.
const MAGIC: &[u8] = b"\0asm";

/// Reads the names of a component's imports and exports. [`Interfaces`] checks their meaning.
///
/// # Errors
/// - [`Error::NotAComponent`] if the bytes are not a component
/// - [`Error::Malformed`] if the component is incomplete or damaged
pub fn inspect(component: &[u8]) -> Result<Interfaces, Error> {
    check_component(component)?;
    read(component).map_err(|error| Error::Malformed(error.to_string()))
}

/// Returns an error that describes the bytes if they are not a component.
pub(crate) fn check_component(bytes: &[u8]) -> Result<(), Error> {
    let found = match bytes {
        [] => "the file is empty",
        _ if Parser::is_component(bytes) => return Ok(()),
        _ if Parser::is_core_wasm(bytes) => "it is a core module",
        _ if bytes.starts_with(MAGIC) => "it is WebAssembly of an unknown version",
        _ if is_text(bytes) => "it is WebAssembly text, which must be assembled first",
        _ => "it is not WebAssembly",
    };
    Err(Error::NotAComponent { found })
}

fn is_text(bytes: &[u8]) -> bool {
    let text = bytes.trim_ascii_start();
    text.starts_with(b"(component") || text.starts_with(b"(module") || text.starts_with(b";;")
}

fn read(component: &[u8]) -> Result<Interfaces, BinaryReaderError> {
    let mut interfaces = Interfaces::default();
    // Nested modules and components have separate imports and exports, which do not count.
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(component) {
        match payload? {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section {
                    interfaces.imports.push(full_name(&import?.name));
                }
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                for export in section {
                    interfaces.exports.push(full_name(&export?.name));
                }
            }
            _ => {}
        }
    }
    Ok(interfaces)
}

fn full_name(name: &ComponentExternName<'_>) -> String {
    format!("{}{}", name.name, name.version_suffix.unwrap_or_default())
}
