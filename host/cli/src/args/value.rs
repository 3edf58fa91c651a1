//! Parsers of argument values.

use std::time::Duration;

use tidegate_app::rules::{COMPONENT, NameRule, STAGE};
use tidegate_release::store::MAX_REASON_BYTES;

/// The smallest memory budget, which has room for an instance of a usual guest.
const MIN_MEMORY: u64 = 64 << 20;

/// The base64 of the first bytes of an ed25519 private key (RFC 8410): a sequence with a version and an algorithm.
const PRIVATE_KEY: &str = "MC4CAQAwBQYDK2Vw";

/// Parses the name of a stage.
pub(crate) fn stage(text: &str) -> Result<String, String> {
    word(text, &STAGE)
}

/// Parses the name of a key.
pub(crate) fn key_name(text: &str) -> Result<String, String> {
    // Base64 of a private key can be made of letters and digits alone.
    if text.starts_with(PRIVATE_KEY) {
        return Err("expected a name, found a private key".to_owned());
    }
    word(text, &COMPONENT)
}

fn word(text: &str, rule: &NameRule) -> Result<String, String> {
    rule.check(text).map(|()| text.to_owned()).map_err(|error| format!("expected {}", error.expected))
}

/// Parses a reason for the history.
pub(crate) fn reason(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("expected a text that is not empty".to_owned()),
        text if text.len() > MAX_REASON_BYTES => Err(format!("expected at most {MAX_REASON_BYTES} bytes")),
        text => Ok(text.to_owned()),
    }
}

/// Parses an integer with a unit: seconds, minutes, hours or days.
pub(crate) fn age(text: &str) -> Result<Duration, String> {
    let units = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)];
    let seconds = units.iter().find_map(|(unit, seconds)| {
        let number = text.strip_suffix(unit)?;
        let is_integer = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        is_integer.then(|| number.parse::<u64>().unwrap_or(u64::MAX).saturating_mul(*seconds))
    });
    let seconds = seconds.ok_or("expected an integer followed by s, m, h or d, for example `1h`")?;
    Ok(Duration::from_secs(seconds))
}

/// Parses a memory budget: an integer with a unit, of at least [`MIN_MEMORY`].
pub(crate) fn memory(text: &str) -> Result<u64, String> {
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30)];
    let bytes = units.iter().find_map(|(unit, shift)| {
        let number = text.strip_suffix(unit)?;
        let is_integer = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        is_integer.then(|| number.parse::<u64>().unwrap_or(u64::MAX).saturating_mul(1 << shift))
    });
    match bytes {
        Some(bytes) if bytes >= MIN_MEMORY => Ok(bytes),
        Some(_) => Err("expected at least 64MiB".to_owned()),
        None => Err("expected an integer followed by KiB, MiB or GiB, for example `1GiB`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_keys_are_not_names_of_keys() {
        let key = format!("{PRIVATE_KEY}BCIEI{}", "a".repeat(43));
        assert_eq!(key.len(), 64);
        assert!(!key_name(&key).unwrap_err().contains(&key));
        assert_eq!(key_name("ci"), Ok("ci".to_owned()));
    }

    #[test]
    fn memory_budgets_are_integers_with_a_unit() {
        for (text, bytes) in [("64MiB", 64 << 20), ("65536KiB", 64 << 20), ("2GiB", 2 << 30)] {
            assert_eq!(memory(text), Ok(bytes), "{text}");
        }
        for wrong in ["", "1", "MiB", "63MiB", "0GiB", "-1GiB", "1.5GiB", "1 GiB", "1GB", "100"] {
            assert!(memory(wrong).is_err(), "{wrong}");
        }
        assert_eq!(memory("99999999999999999999GiB"), Ok(u64::MAX));
    }

    #[test]
    fn ages_are_integers_with_a_unit() {
        for (text, seconds) in [("0s", 0), ("90s", 90), ("30m", 1_800), ("1h", 3_600), ("7d", 604_800)] {
            assert_eq!(age(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for wrong in ["", "1", "h", "-1h", "1.5h", "1 h", "1w"] {
            assert!(age(wrong).is_err(), "{wrong}");
        }
        assert_eq!(age("99999999999999999999d"), Ok(Duration::from_secs(u64::MAX)));
    }
}
