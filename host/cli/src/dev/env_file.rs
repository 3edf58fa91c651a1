//! The format of `.env`: one `NAME=value` a line, as most tools read it, except that nothing is expanded.
//!
//! A value without quotes ends at the end of the line, or before a `#` after a space. A value in single quotes is taken
//! as it stands. In double quotes, `\n`, `\r`, `\t`, `\"`, `\$` and `\\` are escapes. Quoted values may have several
//! lines. `$NAME` has no meaning: a secret with a dollar sign keeps it.

/// A line that is not valid. The text of the line is not part of the error, because it may contain a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub(crate) struct Invalid {
    /// The number of the line, from 1.
    pub(crate) line: usize,
    problem: &'static str,
}

/// Returns the names and values of a `.env` file.
///
/// # Errors
/// A line is not valid.
pub(crate) fn parse(text: &str) -> Result<Vec<(String, String)>, Invalid> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut pairs = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let line = 1 + text.len().checked_sub(rest.len()).and_then(|at| text.get(..at)).map_or(0, newlines);
        let (pair, after) = next(rest).map_err(|problem| Invalid { line, problem })?;
        pairs.extend(pair);
        rest = after;
    }
    Ok(pairs)
}

fn newlines(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}

type Pair = (String, String);

/// Parses the pair at the start of `text`, if its first line has one. Returns the text after the pair.
fn next(text: &str) -> Result<(Option<Pair>, &str), &'static str> {
    let (line, after) = text.split_once('\n').unwrap_or((text, ""));
    if line.trim().is_empty() || line.trim_start().starts_with('#') {
        return Ok((None, after));
    }
    let (name, value) = text.split_once('=').filter(|(name, _)| !name.contains('\n')).ok_or("it has no `=`")?;
    let name = name.trim();
    let name = name.strip_prefix("export").filter(|name| name.starts_with([' ', '\t'])).unwrap_or(name).trim();
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if name.is_empty() || !name.chars().all(is_allowed) {
        return Err("its name is not letters, digits, `_`, `-` and `.`");
    }
    let value = value.trim_start_matches([' ', '\t']);
    let (value, after) = match value.chars().next() {
        Some('\'') => single_quoted(value.get(1..).unwrap_or_default())?,
        Some('"') => double_quoted(value.get(1..).unwrap_or_default())?,
        _ => plain(value),
    };
    Ok((Some((name.to_owned(), value)), after))
}

fn plain(text: &str) -> (String, &str) {
    let (line, after) = text.split_once('\n').unwrap_or((text, ""));
    let comment = line.match_indices('#').map(|(at, _)| at).find(|at| {
        let before = line.get(..*at).unwrap_or_default();
        before.is_empty() || before.ends_with([' ', '\t'])
    });
    let value = comment.and_then(|at| line.get(..at)).unwrap_or(line);
    (value.trim().to_owned(), after)
}

fn single_quoted(text: &str) -> Result<(String, &str), &'static str> {
    let (value, rest) = text.split_once('\'').ok_or("its value has an opening quote and no closing one")?;
    Ok((value.to_owned(), end_of_line(rest)?))
}

fn double_quoted(text: &str) -> Result<(String, &str), &'static str> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((value, end_of_line(text.get(at + 1..).unwrap_or_default())?)),
            '\\' => match characters.next().map(|(_, escaped)| escaped) {
                Some('n') => value.push('\n'),
                Some('r') => value.push('\r'),
                Some('t') => value.push('\t'),
                Some(escaped @ ('"' | '\\' | '$' | '`' | '\'')) => value.push(escaped),
                // Other tools keep an unknown escape as it stands too.
                Some(other) => value.extend(['\\', other]),
                None => break,
            },
            other => value.push(other),
        }
    }
    Err("its value has an opening quote and no closing one")
}

/// Returns the text after the current line, which may have a comment but nothing else.
fn end_of_line(text: &str) -> Result<&str, &'static str> {
    let (line, after) = text.split_once('\n').unwrap_or((text, ""));
    match line.trim() {
        "" => Ok(after),
        comment if comment.starts_with('#') => Ok(after),
        _ => Err("there is text after the closing quote"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> String {
        let pairs = parse(text).unwrap();
        assert_eq!(pairs.len(), 1, "{text}");
        assert_eq!(pairs[0].0, "NAME");
        pairs[0].1.clone()
    }

    #[test]
    fn values_are_never_expanded() {
        for (text, value) in [
            ("NAME=$HOME", "$HOME"),
            ("NAME=a${HOME}b", "a${HOME}b"),
            ("NAME=\"$HOME/${USER}\"", "$HOME/${USER}"),
            ("NAME='$HOME'", "$HOME"),
            ("NAME=$(id)`id`", "$(id)`id`"),
            ("NAME=\"\\$HOME\"", "$HOME"),
            ("NAME=~/a", "~/a"),
            ("NAME=a\\nb", "a\\nb"),
        ] {
            assert_eq!(one(text), value, "{text}");
        }
        assert_eq!(parse("A=1\nB=$A\n").unwrap()[1].1, "$A");
    }

    #[test]
    fn values_have_quotes_comments_and_several_lines() {
        for (text, value) in [
            ("NAME=", ""),
            ("NAME=a b ", "a b"),
            ("  export NAME = a", "a"),
            ("\u{feff}NAME=a\r\n", "a"),
            ("# comment\n\nNAME=a # comment\n", "a"),
            ("NAME=a#b", "a#b"),
            ("NAME=# comment", ""),
            ("NAME=a=b==", "a=b=="),
            ("NAME='a # b' # comment", "a # b"),
            ("NAME='it\"s\\n'", "it\"s\\n"),
            ("NAME=\"a\\nb\\t\\\"c\\\\\"", "a\nb\t\"c\\"),
            ("NAME=\"one\ntwo\"\n", "one\ntwo"),
            ("NAME='one\ntwo'\n", "one\ntwo"),
        ] {
            assert_eq!(one(text), value, "{text}");
        }
    }

    #[test]
    fn errors_name_the_line_and_never_quote_it() {
        for (text, line) in [
            ("A=1\nsecret", 2),
            ("secret\nA=1", 1),
            ("A='1\n2'\nB=\"secret", 3),
            ("A='secret", 1),
            ("A='1' secret", 1),
            ("sec ret=1", 1),
            ("=secret", 1),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.line, line, "{text}");
            assert!(!format!("{error} {error:?}").contains("sec"), "{error}");
        }
    }
}
