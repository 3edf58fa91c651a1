//! `tidegate keys`, and the keys of a manifest as a package has them.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use serde_json::json;
use tidegate_app::Keys;
use tidegate_release::SigningKey;
use tidegate_release::keys::KeyId;

use crate::args;
use crate::ui::output::out;

/// The folder of private keys, in that of the user's configuration.
const KEYS_DIR: &str = "tidegate/keys";
const EXTENSION: &str = "pem";
/// Nobody but the user may read a private key.
const FILE_MODE: u32 = 0o600;
const DIR_MODE: u32 = 0o700;

/// Makes a key, and prints what the manifest says of it.
///
/// # Errors
/// When there is a file of this name already, or it cannot be written.
pub(crate) fn new(args: &args::KeysNew) -> Result<()> {
    let path = match &args.output {
        Some(path) => std::path::absolute(path).with_context(|| format!("cannot find `{}`", path.display()))?,
        None => default_path(&args.name)?,
    };
    let key = SigningKey::generate()?;
    write(&path, key.to_pem().as_bytes()).map_err(|error| refused(&path, error))?;
    let (name, public_key) = (&args.name, key.public_key());
    if args.json {
        let id = KeyId::of(&public_key);
        out!("{:#}", json!({ "name": name, "file": path, "public-key": public_key, "key": id }));
        return Ok(());
    }
    eprintln!("tidegate: the private key is in `{}`; whoever can read it signs releases", path.display());
    eprintln!("tidegate: this belongs in `tidegate.toml`, with the stages that shall trust it:\n");
    out!("[keys.{name}]\npublic-key = \"{public_key}\"\nstages = [\"dev\"]");
    Ok(())
}

/// The keys of an app, as the text of a package's file of them.
pub(crate) fn trusted(keys: &Keys) -> Vec<u8> {
    // Every key is text and every value has a JSON form, so this cannot fail.
    let mut json = serde_json::to_vec_pretty(keys).unwrap_or_default();
    json.push(b'\n');
    json
}

/// Where the key of this name is, unless another place is given; the folder is made.
///
/// <https://specifications.freedesktop.org/basedir-spec/latest/>
fn default_path(name: &str) -> Result<PathBuf> {
    let config = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let config = config.or_else(|| Some(std::env::home_dir()?.join(".config")));
    let config = config.ok_or_else(|| anyhow!("cannot find your home folder; hint: give `--output FILE`"))?;
    let dir = config.join(KEYS_DIR);
    let made = DirBuilder::new().recursive(true).mode(DIR_MODE).create(&dir);
    made.with_context(|| format!("cannot create the folder `{}`", dir.display()))?;
    Ok(dir.join(format!("{name}.{EXTENSION}")))
}

/// Writes a private key where nothing is.
fn write(path: &Path, pem: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path)?;
    let written = file.write_all(pem).and_then(|()| file.sync_all()).and_then(|()| {
        let folder = path.parent().unwrap_or(path);
        File::open(folder)?.sync_all()
    });
    if written.is_err() {
        // Half a key is none, and the next try would find it in its way.
        let _ = fs::remove_file(path);
    }
    written
}

fn refused(path: &Path, error: io::Error) -> anyhow::Error {
    let hint = match error.kind() {
        io::ErrorKind::AlreadyExists => {
            "; hint: a key is never replaced; take another name, or another `--output FILE`"
        }
        io::ErrorKind::NotFound => "; hint: make the folder first",
        _ => "",
    };
    anyhow!("cannot write the private key `{}`: {error}{hint}", path.display())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_private_key_is_its_users_alone_and_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.pem");
        write(&path, b"a").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let error = write(&path, b"b").unwrap_err();
        assert!(refused(&path, error).to_string().contains("hint: a key is never replaced"));
        assert_eq!(fs::read(&path).unwrap(), b"a");
    }

    #[test]
    fn trusted_keys_are_the_manifests_in_a_text_that_does_not_change() {
        let key = "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
        let text = format!(
            "{{\n  \"ci\": {{\n    \"public-key\": \"{key}\",\n    \"stages\": [\n      \"dev\"\n    ]\n  }}\n}}\n"
        );
        let keys: Keys = serde_json::from_str(&text).unwrap();
        assert_eq!(trusted(&keys), text.into_bytes());
        assert_eq!(trusted(&Keys::default()), b"{}\n");
    }
}
