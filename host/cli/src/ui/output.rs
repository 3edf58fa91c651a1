//! Standard output, which is data.

use std::fmt::Arguments;
use std::io::Write as _;

/// Prints a line, as `println!` does; nobody is left to be told that the reader has gone, as `head` does when it has enough.
macro_rules! out {
    () => { $crate::ui::output::line(format_args!("")) };
    ($($text:tt)*) => { $crate::ui::output::line(format_args!($($text)*)) };
}
pub(crate) use out;

/// Prints a line.
pub(crate) fn line(text: Arguments<'_>) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}
