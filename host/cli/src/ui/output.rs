//! Standard output, which carries data only.

use std::fmt::Arguments;
use std::io::Write as _;

/// Prints a line like `println!`, and ignores a reader that has gone, for example `head`.
macro_rules! out {
    () => { $crate::ui::output::line(format_args!("")) };
    ($($text:tt)*) => { $crate::ui::output::line(format_args!($($text)*)) };
}
pub(crate) use out;

/// Prints a line.
pub(crate) fn line(text: Arguments<'_>) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}
