//! The configuration values of a development run: the manifest's `[config]`, and a `.env` file over it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow};
use tidegate_app::Manifest;

/// The values that `manifest` states, with those of a `.env` file beside it over them: `JWT_SECRET` sets `jwt-secret`.
///
/// # Errors
/// When the `.env` file cannot be read or parsed.
pub(crate) fn values(manifest: &Manifest) -> Result<BTreeMap<String, String>> {
    let mut values = manifest.config.clone();
    let path = env_file(manifest);
    if path.exists() {
        let context = || format!("cannot read the configuration values of `{}`", path.display());
        for pair in dotenvy::from_path_iter(&path).with_context(context)? {
            let (name, value) = pair.map_err(without_values).with_context(context)?;
            values.insert(config_name(&name), value);
        }
    }
    Ok(values)
}

/// The file of values that are not part of the manifest.
pub(crate) fn env_file(manifest: &Manifest) -> PathBuf {
    manifest.dir.join(".env")
}

/// A line that does not parse may hold a secret, so only where it breaks is said.
fn without_values(error: dotenvy::Error) -> anyhow::Error {
    match error {
        dotenvy::Error::LineParse(_, index) => {
            anyhow!(
                "a line does not parse at its character {}; hint: write `NAME=value`, quoted if it has spaces",
                index + 1
            )
        }
        error => error.into(),
    }
}

/// The configuration name that a `.env` name stands for.
fn config_name(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-")
}

#[cfg(test)]
mod tests {
    use super::config_name;

    #[test]
    fn an_environment_name_stands_for_a_configuration_name() {
        assert_eq!(config_name("JWT_SECRET"), "jwt-secret");
        assert_eq!(config_name("motd"), "motd");
    }
}
