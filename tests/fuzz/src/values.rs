//! Random values whose choices come from the bytes of an input. Once the bytes are used up, every choice is the first
//! one.

use arbitrary::{Result, Unstructured};

/// The source of the choices.
pub(crate) type Source<'a> = Unstructured<'a>;

/// Characters that encoders escape, that are several bytes long, or that other programs treat specially.
const SPECIAL: [char; 16] = [
    '\0',
    '\u{1}',
    '\u{7f}',
    '\u{80}',
    'é',
    'ß',
    '\u{2028}',
    '\u{feff}',
    '\u{fffd}',
    '\u{ffff}',
    '😀',
    '\u{10ffff}',
    '"',
    '\\',
    '%',
    '\u{202e}',
];

/// Chooses a number of items.
pub(crate) fn count(source: &mut Source<'_>, min: usize, max: usize) -> Result<usize> {
    source.int_in_range(min..=max)
}

/// Makes a text of `min` to `max` characters.
pub(crate) fn text(source: &mut Source<'_>, min: usize, max: usize) -> Result<String> {
    let length = count(source, min, max)?;
    (0..length).map(|_| character(source)).collect()
}

fn character(source: &mut Source<'_>) -> Result<char> {
    Ok(match source.arbitrary::<u8>()? {
        byte @ 0..0x80 => char::from(byte),
        byte @ 0x80..0xf0 => SPECIAL[usize::from(byte) % SPECIAL.len()],
        _ => source.arbitrary()?,
    })
}

/// Makes a text of at most `max` characters that are visible ASCII.
pub(crate) fn visible(source: &mut Source<'_>, min: usize, max: usize) -> Result<String> {
    let length = count(source, min, max)?;
    (0..length).map(|_| Ok(char::from(b'!' + source.arbitrary::<u8>()? % (b'~' - b'!' + 1)))).collect()
}

/// Makes bytes.
pub(crate) fn bytes(source: &mut Source<'_>, max: usize) -> Result<Vec<u8>> {
    let length = count(source, 0, max)?;
    (0..length).map(|_| source.arbitrary()).collect()
}

/// Makes a value, or none.
pub(crate) fn option<T>(source: &mut Source<'_>, make: impl FnOnce(&mut Source<'_>) -> Result<T>) -> Result<Option<T>> {
    if source.arbitrary()? { make(source).map(Some) } else { Ok(None) }
}
