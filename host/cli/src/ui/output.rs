//! Standard output, which carries data only.

use std::fmt::Arguments;
use std::io::Write as _;

/// Prints a line like `println!`, but ignores errors: the reader, for example `head`, may have exited.
macro_rules! out {
    () => { $crate::ui::output::line(format_args!("")) };
    ($($text:tt)*) => { $crate::ui::output::line(format_args!($($text)*)) };
}
pub(crate) use out;

pub(crate) fn line(text: Arguments<'_>) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}
