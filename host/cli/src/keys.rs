//! `tidegate keys`, and the file of trusted keys in a package.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::json;
use tidegate_app::Keys;
use tidegate_diagnostic::{Code, Diagnose as _, Diagnostic};
use tidegate_files::private;
use tidegate_release::SigningKey;
use tidegate_release::keys::KeyId;

use crate::args;
use crate::release::render;
use crate::ui::error::Result;
use crate::ui::terminal::{err, out};

/// The folder of private keys inside the user's configuration folder.
const KEYS_DIR: &str = "tidegate/keys";
const EXTENSION: &str = "pem";

/// Creates a key, and prints its entry for the manifest.
///
/// # Errors
/// The file exists, or cannot be written.
pub(crate) fn new(args: &args::KeysNew) -> Result<()> {
    let path = match &args.output {
        Some(path) => {
            let what = || format!("cannot find the folder of `{}`", path.display());
            std::path::absolute(path).diagnose(Code::FileNotFound, what)?
        }
        None => default_path(&args.name)?,
    };
    let key = SigningKey::generate()?;
    write(&path, key.to_pem().as_bytes()).map_err(|error| write_error(&path, &error))?;
    let name = &args.name;
    let public_key = key.public_key();
    if args.json {
        let id = KeyId::of(&public_key);
        render::print_json(&json!({ "name": name, "file": path, "public-key": public_key, "key": id }));
        return Ok(());
    }
    err!("tidegate: wrote the private key to `{}`; anyone who can read it can sign releases", path.display());
    err!("tidegate: add this to `tidegate.toml`, with the stages that trust the key:");
    out!("[keys.{name}]");
    out!("public-key = \"{public_key}\"");
    out!("stages = [\"dev\"]");
    Ok(())
}

/// Returns the content of `trusted-keys.json` in a package.
pub(crate) fn trusted(keys: &Keys) -> Vec<u8> {
    // This cannot fail: every key is text, and every value has a JSON form.
    let mut json = serde_json::to_vec_pretty(keys).unwrap_or_default();
    json.push(b'\n');
    json
}

/// Returns the default file of the private key `name`, and creates its folder.
///
/// <https://specifications.freedesktop.org/basedir-spec/latest/>
fn default_path(name: &str) -> Result<PathBuf> {
    let config = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let config = config.or_else(|| Some(std::env::home_dir()?.join(".config")));
    let config = config.ok_or_else(|| {
        Diagnostic::new(Code::HomeFolderMissing, "cannot find a folder for private keys", "the user has no home folder")
            .hint("pass `--output FILE`")
    })?;
    let dir = config.join(KEYS_DIR);
    private::create_folder(&dir)
        .diagnose(Code::FileCreate, || format!("cannot create the folder `{}`", dir.display()))?;
    Ok(dir.join(format!("{name}.{EXTENSION}")))
}

/// Writes a private key to a new file.
fn write(path: &Path, pem: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(private::FILE_MODE).open(path)?;
    let written = file.write_all(pem).and_then(|()| file.sync_all()).and_then(|()| {
        let folder = path.parent().unwrap_or(path);
        File::open(folder)?.sync_all()
    });
    if written.is_err() {
        // An incomplete key is useless, and its file would make the next attempt fail.
        let _ = fs::remove_file(path);
    }
    written
}

fn write_error(path: &Path, error: &io::Error) -> Diagnostic {
    let what = format!("cannot write the private key `{}`", path.display());
    match error.kind() {
        io::ErrorKind::AlreadyExists => Diagnostic::caused_by(Code::PrivateKeyExists, what, error)
            .hint("choose another name or another `--output FILE`: `tidegate keys` never replaces a key"),
        io::ErrorKind::NotFound => {
            Diagnostic::caused_by(Code::FileNotFound, what, error).hint("create the folder first")
        }
        _ => Diagnostic::caused_by(Code::FileWrite, what, error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn private_keys_are_readable_by_their_owner_only_and_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.pem");
        write(&path, b"a").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let error = write(&path, b"b").unwrap_err();
        assert_eq!(write_error(&path, &error).code, Code::PrivateKeyExists);
        assert_eq!(fs::read(&path).unwrap(), b"a");
    }

    #[test]
    fn trusted_keys_have_a_stable_text() {
        let key = "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
        let text = format!(
            "{{\n  \"ci\": {{\n    \"public-key\": \"{key}\",\n    \"stages\": [\n      \"dev\"\n    ]\n  }}\n}}\n"
        );
        let keys: Keys = serde_json::from_str(&text).unwrap();
        assert_eq!(trusted(&keys), text.into_bytes());
        assert_eq!(trusted(&Keys::default()), b"{}\n");
    }
}
