use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::*;

/// A private key, and the part of it that no message may have.
const LINE: &str = "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC";
const SECRET: &str = "INTuctv5";

fn pem() -> String {
    format!("-----BEGIN PRIVATE KEY-----\n{LINE}\n-----END PRIVATE KEY-----\n")
}

fn labelled(label: &str) -> String {
    pem().replace("PRIVATE KEY", label)
}

fn refusal_of(value: &str) -> Diagnostic {
    signing_key(OsStr::new(value)).map(drop).unwrap_err()
}

#[test]
fn keys_are_read_from_text_with_marks_and_spaces_around_it() {
    let pem = pem();
    for text in [&pem, &format!("\u{feff}{pem}"), &pem.replace('\n', "\r\n"), &format!("  \n{pem}\n\n")] {
        signing_key(OsStr::new(text)).unwrap();
    }
}

#[test]
fn line_breaks_may_be_escaped_or_spaces_and_other_blocks_may_come_first() {
    let pem = pem();
    let certificate = pem.replace("PRIVATE KEY", "CERTIFICATE");
    for text in [
        pem.replace('\n', "\\n"),
        pem.replace('\n', "\\r\\n"),
        pem.replace('\n', "\\\\n"),
        format!("\"{}\"", pem.replace('\n', "\\n")),
        format!("'{}'", pem.trim_end()),
        pem.replace('\n', " "),
        format!("{certificate}{pem}"),
        format!("Bag Attributes\n    friendlyName: ci\n{pem}"),
    ] {
        signing_key(OsStr::new(&text)).unwrap();
    }
}

/// Returns a PKCS#8 file of an algorithm, with the secret part as its key.
fn pkcs8(algorithm: &[u8]) -> String {
    let der =
        [&[0x30, 0x40, 0x02, 0x01, 0x00, 0x30, 0x10][..], algorithm, &STANDARD.decode(LINE).unwrap()[14..]].concat();
    pem().replace(LINE, &STANDARD.encode(der))
}

#[test]
fn keys_of_other_kinds_are_told_apart_by_name() {
    let openssh = |cipher: &[u8]| {
        let bytes = [&b"openssh-key-v1\0"[..], cipher, &STANDARD.decode(LINE).unwrap()].concat();
        labelled("OPENSSH PRIVATE KEY").replace(LINE, &STANDARD.encode(bytes))
    };
    let curve = |id: &[u8]| pkcs8(&[&[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01][..], id].concat());
    let encrypted = format!("Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n{LINE}");
    for (value, form) in [
        (openssh(b"\0\0\0\x04none"), "a private key of OpenSSH"),
        (openssh(b"\0\0\0\x0aaes256-ctr"), "an encrypted private key of OpenSSH"),
        (labelled("ENCRYPTED SIGSTORE PRIVATE KEY"), "Sigstore"),
        (labelled("PGP PRIVATE KEY BLOCK"), "OpenPGP"),
        (labelled("CERTIFICATE"), "certificate"),
        (labelled("RSA PUBLIC KEY"), "public key"),
        (labelled("RSA PRIVATE KEY").replace(LINE, &encrypted), "encrypted"),
        (labelled("RSA PRIVATE KEY"), "RSA"),
        (labelled("EC PRIVATE KEY"), "ECDSA"),
        (curve(&[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07]), "P-256"),
        (curve(&[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22]), "P-384"),
        (curve(&[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23]), "P-521"),
        (curve(&[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a]), "secp256k1"),
        (curve(&[]), "ECDSA"),
        (pkcs8(&[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00]), "RSA"),
        (pkcs8(&[0x06, 0x03, 0x2b, 0x65, 0x6e]), "X25519"),
        (pkcs8(&[0x06, 0x03, 0x2b, 0x65, 0x71]), "ed448"),
        (format!("ssh-ed25519 {LINE} ci@example"), "public key of OpenSSH"),
        (format!("ecdsa-sha2-nistp256 {LINE} ci"), "public key of OpenSSH"),
        (format!("PuTTY-User-Key-File-3: ssh-ed25519\nPrivate-Lines: 1\n{LINE}"), "PuTTY"),
        (format!("untrusted comment: minisign\n{LINE}"), "minisign"),
        (format!("{{\"kty\": \"OKP\", \"crv\": \"Ed25519\", \"d\": \"{LINE}\"}}"), "JSON"),
    ] {
        let error = refusal_of(&value);
        assert_eq!(error.code, Code::KeyInvalid, "{error}");
        assert!(error.why.contains(form), "{form}: {error}");
        let shown = format!("{error} {:?} {error:?}", error.hint);
        assert!(!shown.contains(SECRET), "{shown}");
    }
}

#[test]
fn keys_in_the_wrong_form_are_never_taken_for_a_path_or_quoted() {
    let pem = pem();
    let base64 = STANDARD.encode(&pem);
    for (value, form) in [
        ("", "empty"),
        (base64.as_str(), "base64 of a PEM file"),
        (&format!("\"{base64}\""), "base64 of a PEM file"),
        (&URL_SAFE_NO_PAD.encode(&pem), "base64 of a PEM file"),
        (LINE, "base64 of a key"),
        (&format!("{LINE}\n"), "base64 of a key"),
        (&format!("{} {}", &LINE[..32], &LINE[32..]), "base64 of a key"),
        ("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", "neither a private key"),
        (&pem.replace("-----END", "END"), "damaged"),
        (&pem[..60], "damaged"),
        (&labelled("ENCRYPTED PRIVATE KEY"), "encrypted"),
        (&labelled("OPENSSH PRIVATE KEY"), "OpenSSH"),
        (&labelled("PUBLIC KEY"), "public key"),
        (&format!("/keys/ci\n{LINE}"), "neither"),
        (&format!("PRIVATE KEY {SECRET}"), "neither"),
    ] {
        let error = refusal_of(value);
        assert_eq!(error.code, Code::KeyInvalid, "{error}");
        assert!(error.why.contains(form), "{value}: {error}");
        let shown = format!("{error} {:?} {error:?}", error.hint);
        assert!(!shown.contains(SECRET) && !shown.contains("4ccd089b") && !shown.contains(&base64[..20]), "{shown}");
    }
}

#[test]
fn files_are_private_and_in_pem_format() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ci.pem");
    let value = path.to_str().unwrap();
    assert_eq!(refusal_of(value).code, Code::SigningKeyMissing);
    fs::write(&path, pem()).unwrap();
    for mode in [0o644, 0o640, 0o604] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let error = refusal_of(value);
        assert_eq!(error.code, Code::SigningKeyReadable);
        assert_eq!(error.hint, Some(format!("run `chmod 600 {value}`")));
    }
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    signing_key(path.as_os_str()).unwrap();
    let der = STANDARD.decode(LINE).unwrap();
    for (content, form) in [(der.as_slice(), "DER"), (&[0xff, 0xfe, 0x2d, 0], "UTF-16"), (b"", "empty")] {
        fs::write(&path, content).unwrap();
        assert!(refusal_of(value).why.contains(form));
    }
    fs::write(&path, vec![b' '; 1 << 20]).unwrap();
    assert_eq!(refusal_of(value).code, Code::SigningKeyMissing);
    fs::remove_file(&path).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RUSR).unwrap();
    assert_eq!(refusal_of(value).code, Code::SigningKeyMissing);
}
