use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

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
        (&pem.replace('\n', "\\n"), "line breaks are written"),
        (&pem.replace("-----END", "END"), "damaged"),
        (&pem[..60], "damaged"),
        (&labelled("ENCRYPTED PRIVATE KEY"), "encrypted"),
        (&labelled("RSA PRIVATE KEY"), "another kind"),
        (&labelled("EC PRIVATE KEY"), "another kind"),
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
