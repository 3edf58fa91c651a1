//! Text from others, made safe for a terminal and for a log of one line a record.
//!
//! A line break in a message forges a line of the log. A control sequence moves the cursor, hides text, or changes the
//! title of a terminal. A bidirectional override shows text in another order than it has.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

/// Shows a value with every dangerous character escaped, for example `\n` or `\u{1b}`.
///
/// ```
/// use tidegate_diagnostic::Escaped;
///
/// assert_eq!(Escaped("a\nb\x1b[2J").to_string(), "a\\nb\\u{1b}[2J");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Escaped<T>(pub T);

/// Returns the text with every dangerous character escaped. See [`Escaped`].
#[must_use]
pub fn escape(text: &str) -> Cow<'_, str> {
    match text.contains(is_dangerous) {
        true => Escaped(text).to_string().into(),
        false => text.into(),
    }
}

/// Returns a JSON text with every dangerous character of its strings escaped, so that it stays the same JSON. The line
/// breaks between its tokens stay.
#[must_use]
pub fn escape_json(json: &str) -> Cow<'_, str> {
    // JSON allows no raw line break inside a string.
    let is_dangerous = |c: char| c != '\n' && is_dangerous(c);
    if !json.contains(is_dangerous) {
        return json.into();
    }
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        match is_dangerous(character) {
            true => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    // Writing to a string does not fail.
                    let _ = write!(escaped, "\\u{unit:04x}");
                }
            }
            false => escaped.push(character),
        }
    }
    escaped.into()
}

/// Returns true if a terminal or a reader of lines gives the character a meaning beyond its shape.
fn is_dangerous(character: char) -> bool {
    // The control characters of ASCII, DEL, and those of Latin-1, which include a second CSI.
    character.is_control()
        || matches!(
            character,
            // Marks and overrides of the direction of text.
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            // The separators of lines and paragraphs.
            | '\u{2028}' | '\u{2029}'
            // Invisible: a byte order mark, annotations, and a hidden copy of ASCII.
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

impl<T: fmt::Display> fmt::Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

/// A writer that escapes what passes through it.
struct Escaping<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl fmt::Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some((at, character)) = rest.char_indices().find(|(_, character)| is_dangerous(*character)) {
            let (safe, after) = rest.split_at(at);
            self.0.write_str(safe)?;
            write!(self.0, "{}", character.escape_default())?;
            rest = after.get(character.len_utf8()..).unwrap_or_default();
        }
        self.0.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every kind of character that is escaped.
    const DANGEROUS: [char; 17] = [
        '\0',
        '\t',
        '\n',
        '\r',
        '\x1b',
        '\x07',
        '\x7f',
        '\u{85}',
        '\u{9b}',
        '\u{9d}',
        '\u{2028}',
        '\u{2029}',
        '\u{202e}',
        '\u{2066}',
        '\u{200f}',
        '\u{feff}',
        '\u{e0041}',
    ];

    #[test]
    fn dangerous_characters_are_escaped_and_others_are_not() {
        for character in DANGEROUS {
            let escaped = escape(&format!("a{character}b")).into_owned();
            assert!(escaped.starts_with("a\\") && escaped.ends_with('b'), "{escaped}");
            assert!(!escaped.contains(character), "{escaped}");
        }
        for text in ["", "a b", "é日本語🦀", r"C:\n", "\"quoted\"", "👩\u{200d}🚀"] {
            assert!(matches!(escape(text), Cow::Borrowed(same) if same == text), "{text}");
        }
        assert_eq!(escape("\x1b]0;title\x07\r\n"), "\\u{1b}]0;title\\u{7}\\r\\n");
    }

    #[test]
    fn escaped_json_keeps_its_line_breaks_between_tokens() {
        assert_eq!(escape_json("{\n  \"a\": \"b\"\n}"), "{\n  \"a\": \"b\"\n}");
        assert_eq!(escape_json("\"\u{9b}\u{202e}\u{7f}\u{e0041}\""), r#""\u009b\u202e\u007f\udb40\udc41""#);
    }
}
