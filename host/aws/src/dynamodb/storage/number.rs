//! Conversion of numbers between JSON and DynamoDB.
//!
//! DynamoDB stores up to 38 significant digits, and magnitudes from 1E-130 to 9.99…E+125.
//!
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html>

/// DynamoDB's maximum number of significant digits.
const MAX_DIGITS: usize = 38;
/// The minimum power of ten of the first digit.
const MIN_POWER: i64 = -130;
/// The maximum power of ten of the first digit.
const MAX_POWER: i64 = 125;

/// Returns the normal form of a JSON number: the shortest digits of its value. The normal form has an exponent if the
/// text would otherwise have more than 38 digits and zeros.
///
/// # Errors
/// Returns the reason if DynamoDB cannot store the number.
pub(super) fn normalise(text: &str) -> Result<String, String> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>()),
        None => (unsigned, Ok(0)),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let leading = all.trim_start_matches('0');
    let digits = leading.trim_end_matches('0');
    if digits.is_empty() {
        return Ok("0".to_owned());
    }
    let out_of_range = || format!("the number `{}` is out of range: 1E-130 to 9.9E+125, or 0", shorten(text));
    // The number is not zero, so an exponent that does not fit an i64 is out of range.
    let exponent = exponent.map_err(|_| out_of_range())?;
    let trailing = signed(leading.len() - digits.len());
    // The value is `digits` × 10^scale.
    let scale = exponent.saturating_sub(signed(fraction.len())).saturating_add(trailing);
    let power = scale.saturating_add(signed(digits.len())).saturating_sub(1);
    if !(MIN_POWER..=MAX_POWER).contains(&power) {
        return Err(out_of_range());
    }
    if digits.len() > MAX_DIGITS {
        return Err(format!("the number `{}` has over {MAX_DIGITS} significant digits", shorten(text)));
    }
    Ok(format!("{}{}", if negative { "-" } else { "" }, plain(digits, scale)))
}

/// Writes `digits` × 10^`scale`, without an exponent if the text is short.
fn plain(digits: &str, scale: i64) -> String {
    let point = signed(digits.len()).saturating_add(scale);
    if scale >= 0 && point <= signed(MAX_DIGITS) {
        return format!("{digits}{}", zeros(scale));
    }
    if scale < 0 && point > 0 {
        let (whole, fraction) = digits.split_at(usize::try_from(point).unwrap_or(digits.len()));
        return format!("{whole}.{fraction}");
    }
    if scale < 0 && scale >= -signed(MAX_DIGITS) {
        return format!("0.{}{digits}", zeros(-point));
    }
    format!("{digits}E{scale}")
}

fn zeros(count: i64) -> String {
    "0".repeat(usize::try_from(count).unwrap_or(0))
}

fn signed(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

/// Returns true if a number from DynamoDB is valid JSON.
pub(super) fn is_json(text: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole)
        && (whole.len() == 1 || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|part| digits(part.strip_prefix(['+', '-']).unwrap_or(part)))
}

/// Returns the size of a stored number in bytes: one for every two digits, one extra, and one for a minus sign.
pub(super) fn size(text: &str) -> usize {
    let mantissa = text.split(['e', 'E']).next().unwrap_or(text);
    let all: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let digits = all.trim_matches('0').len();
    digits.div_ceil(2) + 1 + usize::from(text.starts_with('-'))
}

/// Truncates a text to 60 characters, for an error message.
/// Cuts a text of a guest for an error.
pub(super) fn shorten(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{is_json, normalise, size};

    #[test]
    fn a_number_has_one_form() {
        for (text, normal) in [
            ("0", "0"),
            ("-0", "0"),
            ("0.000e99999999999999999999", "0"),
            ("1", "1"),
            ("-1.50", "-1.5"),
            ("1e2", "100"),
            ("12.5E-1", "1.25"),
            ("0.00125", "0.00125"),
            ("125e-5", "0.00125"),
            ("1E-130", "1E-130"),
            ("1e125", "1E125"),
            ("100000000000000000000000000000000000000", "1E38"),
            ("12345678901234567890123456789012345678", "12345678901234567890123456789012345678"),
            ("-1.2345678901234567890123456789012345678", "-1.2345678901234567890123456789012345678"),
        ] {
            assert_eq!(normalise(text).as_deref(), Ok(normal), "{text}");
            assert!(is_json(normal), "{normal}");
        }
    }

    #[test]
    fn numbers_out_of_dynamodbs_range_are_rejected() {
        for text in ["1e126", "-1e126", "9e-131", "1e99999999999999999999", "123456789012345678901234567890123456789"] {
            assert!(normalise(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_json_numbers_pass() {
        for text in ["", "-", "+1", ".5", "5.", "01", "1e", "1e+", "NaN", "0x1", "1 "] {
            assert!(!is_json(text), "{text}");
        }
        assert!(is_json("1E+30") && is_json("-0.5e-7"));
    }

    #[test]
    fn two_digits_take_a_byte() {
        assert_eq!(size("0"), 1);
        assert_eq!(size("100"), 2);
        assert_eq!(size("-12.345"), 5);
    }
}
