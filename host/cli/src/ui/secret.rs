//! Private keys in text that is about to be printed.
//!
//! Errors quote arguments and paths. A private key that was passed in the wrong place, for example as the folder of the
//! app, must not be quoted with them, because terminals and pipelines keep what is printed.

use std::borrow::Cow;

/// The text in place of a key.
const REDACTED: &str = "(a private key)";
/// The markers of a PEM block.
const BEGIN: &str = "-----BEGIN";
const END: &str = "-----END";
/// The starts of private keys in base64: PKCS#8 of ed25519 in both versions, of other keys, PKCS#1, SEC 1 and OpenSSH,
/// and a PEM file that was encoded again.
const STARTS: [&str; 9] =
    ["MC4CAQ", "MFECAQ", "MFMCAQ", "MHICAQ", "MHcCAQ", "MIG", "MII", "b3BlbnNzaC", "LS0tLS1CRUdJTi"];
/// The shortest base64 of an ed25519 private key, without its DER prefix.
const MIN_CHARACTERS: usize = 40;

/// Returns the text without the private keys in it.
pub(crate) fn redact(text: &str) -> Cow<'_, str> {
    let without_pem = redact_pem(text);
    let mut redacted: Option<String> = None;
    for key in words(&without_pem).filter_map(key) {
        redacted = Some(redacted.as_deref().unwrap_or(without_pem.as_ref()).replace(key, REDACTED));
    }
    redacted.map_or(without_pem, Cow::Owned)
}

/// Returns the words that could be base64.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '-' | '_')))
}

/// Returns the part of a word that is a key. A path may be in front of it, because base64 has slashes too.
fn key(word: &str) -> Option<&str> {
    let starts = STARTS.iter().filter_map(|start| word.find(start));
    starts.min().and_then(|at| word.get(at..)).filter(|key| key.len() >= MIN_CHARACTERS)
}

/// Replaces PEM blocks. A block without an end reaches to the end of the text.
fn redact_pem(text: &str) -> Cow<'_, str> {
    let Some((before, block)) = text.split_once(BEGIN) else { return text.into() };
    let after = block.split_once(END).map_or("", |(_, after)| after);
    // The end marker has a label and five more hyphens.
    let after = after.split_once("-----").map_or("", |(_, after)| after);
    format!("{before}{REDACTED}{}", redact_pem(after)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_keys_are_replaced_and_other_texts_stay() {
        let line = "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC";
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{line}\n-----END PRIVATE KEY-----");
        let twice = "LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCk1DNENBUUF3QlFZREsyVndCQ0lF";
        for secret in [line, &format!("/app/{line}/tidegate"), &pem, twice, &pem[..70], &pem.replace('\n', "\\n")] {
            let redacted = redact(&format!("cannot read `{secret}`: no such file")).into_owned();
            assert!(redacted.starts_with("cannot read `") && redacted.contains("(a private key)"), "{redacted}");
            assert!(!redacted.contains("CIEINTu") && !redacted.contains("Q0lF"), "{redacted}");
        }
        for text in [
            "",
            "cannot read `ci.pem`",
            "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=",
            &"a".repeat(64),
        ] {
            assert!(matches!(redact(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }
}
