//! The configuration values of a local run: `[config]` of the manifest, overridden by a `.env` file.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tidegate_app::Manifest;
use tidegate_diagnostic::{Code, Diagnostic};

use crate::ui::error::Result;

/// Returns the values of the manifest, overridden by the `.env` file next to it. `JWT_SECRET` sets `jwt-secret`.
///
/// # Errors
/// The `.env` file cannot be read or parsed.
pub(crate) fn values(manifest: &Manifest) -> Result<BTreeMap<String, String>> {
    let mut values = manifest.config.clone();
    let path = env_file(manifest);
    if path.exists() {
        let what = || format!("cannot read the configuration values of `{}`", path.display());
        for pair in dotenvy::from_path_iter(&path).map_err(|error| env_error(what(), &error))? {
            let (name, value) = pair.map_err(|error| env_error(what(), &error))?;
            values.insert(config_name(&name), value);
        }
    }
    Ok(values)
}

/// Returns the path of the `.env` file.
pub(crate) fn env_file(manifest: &Manifest) -> PathBuf {
    manifest.dir.join(".env")
}

/// Converts an error. Omits the text of the line, because it may contain a secret.
fn env_error(what: String, error: &dotenvy::Error) -> Diagnostic {
    match error {
        dotenvy::Error::LineParse(_, index) => {
            let why = format!("a line is not valid at its character {}", index + 1);
            Diagnostic::new(Code::ConfigFileInvalid, what, why)
                .hint("write `NAME=value`, quoted if the value has spaces")
        }
        error => Diagnostic::caused_by(Code::FileRead, what, error),
    }
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
