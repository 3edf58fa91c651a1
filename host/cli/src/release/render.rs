//! Times, tables and JSON on standard output.

use serde::Serialize;
use tidegate_diagnostic::escape;
use tidegate_event::Timestamp;
use time::OffsetDateTime;
use time::macros::format_description;

use crate::ui::terminal::{self, out};

/// The text for a missing value.
pub(crate) const NONE: &str = "-";
/// The number of characters that identify a revision.
const REVISION_CHARACTERS: usize = 12;

/// Prints a value as JSON.
pub(crate) fn print_json(value: &impl Serialize) {
    // This cannot fail: every key is text, and every value has a JSON form.
    terminal::print_json(&serde_json::to_string_pretty(value).unwrap_or_default());
}

/// Returns a time in UTC, to the second.
pub(crate) fn time(at: Timestamp) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]Z");
    let seconds = i64::try_from(at.seconds()).ok();
    let time = seconds.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    // A time outside the calendar's range is shown as a number.
    time.and_then(|time| time.format(&format).ok()).unwrap_or_else(|| format!("{} ms", at.millis()))
}

/// Returns a short form of a revision.
pub(crate) fn revision(revision: Option<&str>) -> String {
    let Some(revision) = revision else { return NONE.to_owned() };
    let (digits, mark) = revision.split_once('-').map_or((revision, ""), |(digits, _)| (digits, "-dirty"));
    format!("{}{mark}", digits.chars().take(REVISION_CHARACTERS).collect::<String>())
}

/// Returns a number with the singular or the plural of a word.
pub(crate) fn count(number: usize, one: &str, many: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        number => format!("{number} {many}"),
    }
}

/// Prints rows with aligned columns.
pub(crate) fn print_table<const N: usize>(head: [&str; N], rows: &[[String; N]]) {
    let head = head.map(str::to_owned);
    // Cells are escaped before they are measured.
    let rows: Vec<_> = rows.iter().map(|row| row.each_ref().map(|cell| escape(cell).into_owned())).collect();
    let all = || std::iter::once(&head).chain(&rows);
    let mut widths = [0; N];
    for row in all() {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    for row in all() {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        out!("{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_in_utc() {
        assert_eq!(time(Timestamp(1_794_000_000_999)), "2026-11-06 21:20:00Z");
        assert_eq!(time(Timestamp(u64::MAX)), "18446744073709551615 ms");
    }

    #[test]
    fn short_revisions_keep_their_dirty_mark() {
        assert_eq!(revision(None), "-");
        assert_eq!(revision(Some("0123456789abcdef0123")), "0123456789ab");
        assert_eq!(revision(Some("0123456789abcdef0123-dirty")), "0123456789ab-dirty");
    }
}
