//! The keys that sign a release: from files, or from the text of the environment variable.
//!
//! A value in the wrong form may be a key, so no error quotes a value unless it names an existing file or clearly is a
//! path.

mod form;

use std::borrow::Cow;
use std::ffi::OsStr;
use std::path::Path;

use tidegate_diagnostic::{Code, Diagnose as _, Diagnostic};
use tidegate_files::private::check_unreadable;
use tidegate_files::read::read_open;
use tidegate_files::{Links, Refused, refusal};
use tidegate_release::SigningKey;

use crate::args;
use crate::ui::error::Result;

/// The start of a PEM block.
const PEM: &str = "-----BEGIN ";
/// The maximum size of the file of a private key, in bytes. An ed25519 key has 119.
const MAX_FILE_BYTES: u64 = 16 << 10;
/// The length from which a text of base64 characters may be a key. Paths of this length usually have a dot.
const KEY_CHARACTERS: usize = 40;

/// Reads the keys.
///
/// # Errors
/// There is no key, or one cannot be read.
pub(super) fn keys(keys: &[args::SigningKey]) -> Result<Vec<SigningKey>> {
    if keys.is_empty() {
        return Err(Diagnostic::new(Code::SigningKeyMissing, "cannot sign the release", "there is no signing key")
            .hint("pass `--key FILE` or set `TIDEGATE_SIGNING_KEY`; create a key with `tidegate keys new NAME`"));
    }
    keys.iter().map(|key| signing_key(&key.0)).collect()
}

fn signing_key(value: &OsStr) -> Result<SigningKey> {
    let path = Path::new(value);
    match value.to_str() {
        Some(text) if !text.contains(PEM) && (is_path(text) || path.symlink_metadata().is_ok()) => from_file(path),
        // Only a path need not be UTF-8.
        None if path.exists() => from_file(path),
        text => {
            let what = "cannot sign with the value of `--key` or `TIDEGATE_SIGNING_KEY`";
            from_text(text.unwrap_or_default().as_bytes(), what)
        }
    }
}

/// Returns true if a text is a path and cannot be a key.
fn is_path(text: &str) -> bool {
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '-' | '_' | ' ');
    let is_key = text.len() >= KEY_CHARACTERS && text.chars().all(is_base64);
    let is_quoted = text.starts_with(['"', '\'', '`']);
    let is_odd = |c: char| c.is_control() || c == '\u{feff}';
    let is_other_key = form::is_known(text);
    !(text.is_empty() || is_key || is_quoted || is_other_key || text.contains("PRIVATE KEY") || text.contains(is_odd))
}

fn from_file(path: &Path) -> Result<SigningKey> {
    let what = || format!("cannot sign with the private key `{}`", path.display());
    let file = tidegate_files::open(path, Links::Follow).diagnose(Code::SigningKeyMissing, what).map_err(|error| {
        error.hint("pass the path of a key file; set `TIDEGATE_SIGNING_KEY` to the text of a key that is in no file")
    })?;
    let read = check_unreadable(&file).and_then(|()| read_open(&file, MAX_FILE_BYTES));
    let bytes = read.map_err(|error| match refusal(&error) {
        Some(Refused::Readable(_)) => Diagnostic::caused_by(Code::SigningKeyReadable, what(), &error)
            .hint(format!("run `chmod 600 {}`", path.display())),
        _ => Diagnostic::caused_by(Code::SigningKeyMissing, what(), &error),
    })?;
    from_text(&bytes, &what())
}

fn from_text(bytes: &[u8], what: &str) -> Result<SigningKey> {
    // Editors add the mark, and pipelines add spaces.
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes).trim_ascii();
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    SigningKey::from_pem(&unescape(text)).map_err(|_| {
        let (form, hint) = form::describe(bytes);
        Diagnostic::new(Code::KeyInvalid, what, form).hint(hint)
    })
}

/// Returns a PEM text with its line breaks. Variables of one line, JSON and YAML have them as `\n` or `\r\n`, escaped
/// once or twice. PEM itself has no backslash.
fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return text.into();
    }
    text.replace("\\\\", "\\").replace("\\r", "").replace("\\n", "\n").into()
}

#[cfg(test)]
#[path = "signing/tests.rs"]
mod tests;
