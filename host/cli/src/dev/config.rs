//! The configuration values of a local run: `[config]` of the manifest, overridden by a `.env` file.
//!
//! The secret of development tokens, `jwt-secret`, is made for each checkout if neither has it and the app reads it. A
//! secret in a committed file would let everybody who knows the file make tokens for every developer's machine.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::PathBuf;

use tidegate_app::unused::{self, JWT_SECRET};
use tidegate_app::{Manifest, Unused};
use tidegate_diagnostic::{Code, Diagnose as _, Diagnostic};
use tidegate_files::Links;
use tidegate_local_access::Secret;

use crate::build;
use crate::dev::env_file;
use crate::private::PrivateFolder;
use crate::ui::error::Result;
use crate::ui::terminal::err;

/// The maximum size of a `.env` file, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Returns the values of the manifest, overridden by the `.env` file next to it. `JWT_SECRET` sets `jwt-secret`. If the
/// app reads `jwt-secret` and neither has it, the value is that of this checkout, which is made once.
///
/// # Errors
/// The `.env` file cannot be read or parsed, or the secret of the checkout cannot be read or written.
pub(crate) fn values(manifest: &Manifest) -> Result<BTreeMap<String, String>> {
    let mut values = manifest.config.clone();
    let known = names(manifest);
    for (name, value) in read_env_file(manifest)? {
        let set = unused::config_name(&name, &known).map_or_else(|| unused::conventional_name(&name), str::to_owned);
        values.insert(set, value);
    }
    if !values.contains_key(JWT_SECRET) && manifest.app().config_names().contains(JWT_SECRET) {
        values.insert(JWT_SECRET.to_owned(), checkout_secret(manifest)?);
    }
    Ok(values)
}

/// Returns the names in the manifest and in the `.env` file that have no effect.
///
/// # Errors
/// The `.env` file cannot be read or parsed.
pub(crate) fn unused(manifest: &Manifest) -> Result<Vec<Unused>> {
    let mut unused = manifest.unused();
    let set = read_env_file(manifest)?;
    unused.extend(unused::env_names(set.iter().map(|(name, _)| name.as_str()), &names(manifest)));
    Ok(unused)
}

/// Prints names that have no effect.
pub(crate) fn warn(unused: &[Unused]) {
    for Unused { text, hint } in unused {
        err!("tidegate: warning: {text}");
        err!("tidegate: hint: {hint}");
    }
}

/// Returns the names of the values that the app reads or the manifest sets.
fn names(manifest: &Manifest) -> BTreeSet<String> {
    let mut names = manifest.read_config_names();
    names.extend(manifest.config.keys().cloned());
    names
}

fn read_env_file(manifest: &Manifest) -> Result<Vec<(String, String)>> {
    let path = env_file(manifest);
    let what = || format!("cannot read the configuration values of `{}`", path.display());
    let text = match tidegate_files::read_text(&path, MAX_FILE_BYTES, Links::Within(&manifest.dir)) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Diagnostic::caused_by(Code::FileRead, what(), &error)),
    };
    env_file::parse(&text).map_err(|error| env_error(what(), &error))
}

/// Returns the secret of this checkout. The first call makes it.
fn checkout_secret(manifest: &Manifest) -> Result<String> {
    let folder = PrivateFolder::create(&build::state::prepare(manifest)?)?;
    let what = || format!("cannot read or write the secret `{}`", folder.path(JWT_SECRET).display());
    let made = Secret::random().diagnose(Code::FileWrite, what)?;
    let kept = folder.read_or_create(JWT_SECRET, made.reveal()).diagnose(Code::FileRead, what)?;
    match kept.trim() {
        "" => {
            Err(Diagnostic::new(Code::FileRead, what(), "it is empty").hint("remove the file, and a new one is made"))
        }
        secret => Ok(secret.to_owned()),
    }
}

/// Returns the path of the `.env` file.
pub(crate) fn env_file(manifest: &Manifest) -> PathBuf {
    manifest.dir.join(".env")
}

fn env_error(what: String, error: &env_file::Invalid) -> Diagnostic {
    Diagnostic::new(Code::ConfigFileInvalid, what, error.to_string())
        .hint("write `NAME=value`, quoted if the value has spaces")
}

#[cfg(test)]
mod tests {
    use super::*;

    const READS_SECRET: &str = r#"
        app = { name = "a", route-selection-expression = "$request.body.action" }
        components.a.source = "a.wasm"
        authorizer = { component = "a", identity-source = [], grants = { config = ["jwt-secret"] } }
        routes."$connect" = { component = "a" }
    "#;

    fn secret_in(folder: &std::path::Path, manifest: &str) -> Option<String> {
        std::fs::write(folder.join("tidegate.toml"), manifest).unwrap();
        values(&Manifest::load(folder).unwrap()).unwrap().remove(JWT_SECRET)
    }

    #[test]
    fn the_secret_of_a_checkout_is_made_once_for_apps_that_read_it() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let secret = secret_in(one.path(), READS_SECRET).unwrap();
        assert_eq!(secret.len(), 64);
        assert_eq!(secret_in(one.path(), READS_SECRET).as_ref(), Some(&secret));
        assert_ne!(secret_in(two.path(), READS_SECRET).as_ref(), Some(&secret));
        let other = READS_SECRET.replace("jwt-secret", "motd");
        let three = tempfile::tempdir().unwrap();
        assert_eq!(secret_in(three.path(), &other), None);
        assert!(!three.path().join(".tidegate").exists());
    }

    #[test]
    fn configured_secrets_come_before_that_of_the_checkout() {
        let folder = tempfile::tempdir().unwrap();
        let configured = format!("{READS_SECRET}\n[config]\njwt-secret = \"in the manifest\"\n");
        assert_eq!(secret_in(folder.path(), &configured).as_deref(), Some("in the manifest"));
        std::fs::write(folder.path().join(".env"), "JWT_SECRET=in-the-file\n").unwrap();
        assert_eq!(secret_in(folder.path(), READS_SECRET).as_deref(), Some("in-the-file"));
        assert!(!folder.path().join(".tidegate").exists());
    }

    #[test]
    fn values_whose_names_are_not_conventional_are_set_too() {
        let folder = tempfile::tempdir().unwrap();
        let reads = READS_SECRET.replace("[\"jwt-secret\"]", "[\"api_key\", \"dbPassword\"]");
        let configured = format!(
            "{reads}
[config]
api_key = \"old\"
dbPassword = \"old\"
"
        );
        std::fs::write(folder.path().join("tidegate.toml"), configured).unwrap();
        std::fs::write(
            folder.path().join(".env"),
            "API_KEY=new
dbPassword=new
dbPasword=secret
",
        )
        .unwrap();
        let manifest = Manifest::load(folder.path()).unwrap();
        let values = values(&manifest).unwrap();
        assert_eq!((values["api_key"].as_str(), values["dbPassword"].as_str()), ("new", "new"));
        let unused = unused(&manifest).unwrap();
        assert!(unused.len() == 1 && unused[0].text.contains("`dbPasword`"), "{unused:?}");
        assert!(!format!("{unused:?}").contains("secret"));
    }
}
