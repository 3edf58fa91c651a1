//! The configuration values of a local run: `[config]` of the manifest, overridden by a `.env` file.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::PathBuf;

use tidegate_app::Manifest;
use tidegate_diagnostic::{Code, Diagnostic};
use tidegate_files::Links;

use crate::dev::env_file;
use crate::ui::error::Result;

/// The maximum size of a `.env` file, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Returns the values of the manifest, overridden by the `.env` file next to it. `JWT_SECRET` sets `jwt-secret`.
///
/// # Errors
/// The `.env` file cannot be read or parsed.
pub(crate) fn values(manifest: &Manifest) -> Result<BTreeMap<String, String>> {
    let mut values = manifest.config.clone();
    let path = env_file(manifest);
    let what = || format!("cannot read the configuration values of `{}`", path.display());
    let text = match tidegate_files::read_text(&path, MAX_FILE_BYTES, Links::Within(&manifest.dir)) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(values),
        Err(error) => return Err(Diagnostic::caused_by(Code::FileRead, what(), &error)),
    };
    for (name, value) in env_file::parse(&text).map_err(|error| env_error(what(), &error))? {
        values.insert(config_name(&name), value);
    }
    Ok(values)
}

/// Returns the path of the `.env` file.
pub(crate) fn env_file(manifest: &Manifest) -> PathBuf {
    manifest.dir.join(".env")
}

fn env_error(what: String, error: &env_file::Invalid) -> Diagnostic {
    Diagnostic::new(Code::ConfigFileInvalid, what, error.to_string())
        .hint("write `NAME=value`, quoted if the value has spaces")
}

/// Returns the configuration name that belongs to a name in a `.env` file.
fn config_name(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-")
}

#[cfg(test)]
mod tests {
    use super::config_name;

    #[test]
    fn env_names_become_configuration_names() {
        assert_eq!(config_name("JWT_SECRET"), "jwt-secret");
        assert_eq!(config_name("motd"), "motd");
    }
}
