//! The forms of values that are not a private key of the right kind.
//!
//! A description names the form and never quotes the value, which may be a key.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

use super::{PEM, unescape};

const NEW: &str = "create a key with `tidegate keys new NAME`";
const PASS_PRIVATE: &str = "pass the private key";
const DECRYPT: &str = "decrypt it with `openssl pkey -in FILE -out KEY.pem`";
const DAMAGED: &str = "it is damaged, or is not an ed25519 private key";

/// A description with a remedy.
type Form = (&'static str, &'static str);

/// Object identifiers of algorithms and curves in DER, each with the description of a key. Those of curves come before
/// those of the algorithm that has many curves.
const KINDS: [(&[u8], &str); 13] = [
    (&[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07], "it is an ECDSA key on the curve P-256"),
    (&[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22], "it is an ECDSA key on the curve P-384"),
    (&[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23], "it is an ECDSA key on the curve P-521"),
    (&[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a], "it is an ECDSA key on the curve secp256k1"),
    (&[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01], "it is an ECDSA key"),
    (&[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01], "it is an RSA key"),
    (&[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a], "it is an RSA-PSS key"),
    (&[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x38, 0x04, 0x01], "it is a DSA key"),
    (&[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x03, 0x01], "it is a Diffie-Hellman key"),
    (&[0x06, 0x03, 0x2b, 0x65, 0x6e], "it is an X25519 key, which encrypts and does not sign"),
    (&[0x06, 0x03, 0x2b, 0x65, 0x6f], "it is an X448 key, which encrypts and does not sign"),
    (&[0x06, 0x03, 0x2b, 0x65, 0x71], "it is an ed448 key"),
    (&[0x06, 0x08, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03], "it is an ML-DSA key"),
];
/// The beginnings of texts of other tools, each with the description of the text.
const TEXTS: [(&str, Form); 9] = [
    ("ssh-", ("it is a public key of OpenSSH", PASS_PRIVATE)),
    ("ecdsa-sha2-", ("it is a public key of OpenSSH", PASS_PRIVATE)),
    ("sk-ssh-", ("it is a public key of OpenSSH", PASS_PRIVATE)),
    ("sk-ecdsa-", ("it is a public key of OpenSSH", PASS_PRIVATE)),
    ("---- BEGIN SSH2 PUBLIC KEY", ("it is a public key of OpenSSH", PASS_PRIVATE)),
    ("PuTTY-User-Key-File-", ("it is a key of PuTTY", NEW)),
    ("untrusted comment:", ("it is a key of minisign or signify", NEW)),
    ("AGE-SECRET-KEY-", ("it is a key of age, which encrypts and does not sign", NEW)),
    ("{", ("it is JSON, for example a JSON Web Key, and not a PEM file", NEW)),
];

/// Returns true if a text is the key of another tool, and so is not a path.
pub(super) fn is_known(text: &str) -> bool {
    TEXTS.iter().any(|(start, _)| text.starts_with(start)) && text.contains([' ', ':'])
}

/// Describes a value that is not a private key of the right kind, with a remedy. Never quotes it.
pub(super) fn describe(bytes: &[u8]) -> Form {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return match bytes {
            [0x30, ..] => ("it is in DER format", "convert it with `openssl pkey -inform DER -in FILE -out KEY.pem`"),
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => ("it is UTF-16 text", "save the file as UTF-8"),
            _ => ("it is not text", NEW),
        };
    };
    let text = unescape(text);
    let label = text.split_once(PEM).and_then(|(_, rest)| rest.split_once("-----"));
    match label {
        Some((label, body)) => describe_pem(label, body),
        None => describe_text(&text),
    }
}

fn describe_pem(label: &str, body: &str) -> Form {
    let lines = body.split_once("-----END").map(|(lines, _)| lines).unwrap_or_default();
    let compact: String = lines.chars().filter(|c| !c.is_whitespace()).collect();
    let decoded = STANDARD.decode(compact).unwrap_or_default();
    let is_openssh = label.starts_with("OPENSSH");
    match label {
        _ if label.contains("PUBLIC KEY") => ("it is a public key", PASS_PRIVATE),
        _ if label.starts_with("PGP") => ("it is a key of OpenPGP", NEW),
        _ if label.contains("CERTIFICATE") => ("it is a certificate", PASS_PRIVATE),
        _ if label.contains("COSIGN") || label.contains("SIGSTORE") => {
            ("it is an encrypted private key of Sigstore", NEW)
        }
        _ if is_openssh && is_encrypted_openssh(&decoded) => ("it is an encrypted private key of OpenSSH", NEW),
        _ if is_openssh => ("it is a private key of OpenSSH, not in the format PKCS#8", NEW),
        _ if label.contains("ENCRYPTED") || lines.contains("ENCRYPTED") => ("it is an encrypted private key", DECRYPT),
        "RSA PRIVATE KEY" => ("it is an RSA key", NEW),
        "DSA PRIVATE KEY" => ("it is a DSA key", NEW),
        "EC PRIVATE KEY" | "EC PARAMETERS" => (kind_of(&decoded).unwrap_or("it is an ECDSA key"), NEW),
        "PRIVATE KEY" => (kind_of(&decoded).unwrap_or(DAMAGED), NEW),
        _ => ("it is a PEM file of another kind", NEW),
    }
}

/// Returns the description of a key by the object identifiers in its DER encoding.
fn kind_of(der: &[u8]) -> Option<&'static str> {
    let contains = |id: &[u8]| der.windows(id.len()).any(|part| part == id);
    KINDS.iter().find(|(id, _)| contains(id)).map(|(_, kind)| *kind)
}

/// Returns true if a private key of OpenSSH is encrypted: the text after its mark is the name of a cipher, or `none`.
fn is_encrypted_openssh(decoded: &[u8]) -> bool {
    let rest = decoded.strip_prefix(b"openssh-key-v1\0".as_slice());
    rest.is_some_and(|rest| !rest.starts_with(b"\0\0\0\x04none"))
}

fn describe_text(text: &str) -> Form {
    if let Some((_, form)) = TEXTS.iter().find(|(start, _)| text.starts_with(start)) {
        return *form;
    }
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
