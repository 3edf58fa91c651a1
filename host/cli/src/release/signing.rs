//! The keys that sign a release: from files, or from the text of the environment variable.
//!
//! A value in the wrong form may be a key, so no error quotes a value unless it names an existing file or clearly is a
//! path.

use std::ffi::OsStr;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
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
    !(text.is_empty() || is_key || is_quoted || text.contains("PRIVATE KEY") || text.contains(is_odd))
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
    SigningKey::from_pem(text).map_err(|_| {
        let (form, hint) = describe(bytes);
        Diagnostic::new(Code::KeyInvalid, what, form).hint(hint)
    })
}

/// Describes a value that is not a private key of the right kind, with a remedy. Never quotes it.
fn describe(bytes: &[u8]) -> (&'static str, &'static str) {
    const NEW: &str = "create a key with `tidegate keys new NAME`";
    let Ok(text) = std::str::from_utf8(bytes) else {
        return match bytes {
            [0x30, ..] => ("it is in DER format", "convert it with `openssl pkey -inform DER -in FILE -out KEY.pem`"),
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => ("it is UTF-16 text", "save the file as UTF-8"),
            _ => ("it is not text", NEW),
        };
    };
    let label = text.split_once(PEM).and_then(|(_, rest)| rest.split_once("-----")).map(|(label, _)| label);
    match label {
        Some("ENCRYPTED PRIVATE KEY") => {
            ("it is an encrypted private key", "decrypt it with `openssl pkey -in FILE -out KEY.pem`")
        }
        Some("PUBLIC KEY") => ("it is a public key", "pass the private key"),
        Some("PRIVATE KEY") if text.contains("\\n") => {
            ("its line breaks are written as `\\n`", "write them as line breaks")
        }
        Some("PRIVATE KEY") => ("it is damaged, or is not an ed25519 private key", NEW),
        Some("OPENSSH PRIVATE KEY") => ("it is a key of OpenSSH", NEW),
        Some(_) => ("it is a private key of another kind", NEW),
        None => describe_encoded(text),
    }
}

fn describe_encoded(text: &str) -> (&'static str, &'static str) {
    let compact: String = text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '"' | '\'' | '`')).collect();
    let decoded = [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD]
        .into_iter()
        .find_map(|engine| engine.decode(&compact).ok())
        .unwrap_or_default();
    match decoded.as_slice() {
        _ if text.is_empty() => ("it is empty", "pass `--key FILE`, or unset `TIDEGATE_SIGNING_KEY`"),
        decoded if decoded.windows(PEM.len()).any(|part| part == PEM.as_bytes()) => {
            ("it is the base64 of a PEM file", "decode it first, for example with `base64 -d`")
        }
        [0x30, ..] => ("it is the base64 of a key without the lines around it", "pass the whole PEM file"),
        _ => (
            "it is neither a private key in PEM format nor the path of a file",
            "pass `--key FILE`; create a key with `tidegate keys new NAME`",
        ),
    }
}

#[cfg(test)]
#[path = "signing/tests.rs"]
mod tests;
