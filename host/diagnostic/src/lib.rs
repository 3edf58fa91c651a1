//! The errors that a user can meet.
//!
//! Each has a stable [`Code`], which documentation, scripts and tests refer to. Libraries keep error enums that their
//! callers can match on, and convert them with `From` into a [`Diagnostic`] for display. `docs/reference/errors.md`
//! explains every code.
//!
//! ```
//! use tidegate_diagnostic::{Code, Diagnostic};
//!
//! let error = Diagnostic::new(Code::FileRead, "cannot read the manifest `tidegate.toml`", "no such file")
//!     .hint("run the command in the app's folder");
//! assert_eq!(error.to_string(), "cannot read the manifest `tidegate.toml`: no such file");
//! assert_eq!(
//!     error.report(),
//!     "error[file-read]: cannot read the manifest `tidegate.toml`: no such file\n\
//!      hint: run the command in the app's folder"
//! );
//! ```

mod code;
mod escape;

use std::error::Error as StdError;
use std::fmt;

pub use code::Code;
pub use escape::{Escaped, escape, escape_json};

/// A failure as a user sees it.
///
/// `Display` writes `what: why` without the code and the hint: log records carry those as
/// fields. [`report`](Self::report) writes the form for terminals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The stable identifier of this kind of failure.
    pub code: Code,
    /// The operation that failed and its subject, for example ``cannot read the manifest `chat/tidegate.toml` ``.
    pub what: String,
    /// The cause, for example `no such file`. Several causes stand on a line each.
    pub why: String,
    /// The remedy, where one is known.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// Creates a diagnostic without a hint.
    #[must_use]
    pub fn new(code: Code, what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { code, what: what.into(), why: why.into(), hint: None }
    }

    /// Creates a diagnostic whose cause is `error` with all of its sources.
    #[must_use]
    pub fn caused_by(code: Code, what: impl Into<String>, error: &(dyn StdError + 'static)) -> Self {
        Self::new(code, what, chain(error))
    }

    /// Adds a hint, replacing any earlier one.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Puts `what` in front, for a caller that knows more about the operation. The code and the hint stay.
    #[must_use]
    pub fn context(self, what: impl Into<String>) -> Self {
        Self { why: self.to_string(), what: what.into(), ..self }
    }

    /// Returns the text for a terminal: `error[code]: what: why`, and the hint on a line of its own. Several causes
    /// stand on a line each. Every part is [`Escaped`], because it may quote a text of others.
    #[must_use]
    pub fn report(&self) -> String {
        let hint = self.hint.as_ref().map(|hint| format!("\nhint: {}", Escaped(hint))).unwrap_or_default();
        if !self.why.contains('\n') {
            return format!("error[{}]: {}{hint}", self.code, Escaped(self));
        }
        let causes: String = self.why.lines().map(|cause| format!("\n  {}", Escaped(cause))).collect();
        format!("error[{}]: {}:{causes}{hint}", self.code, Escaped(&self.what))
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.why.is_empty() {
            true => f.write_str(&self.what),
            false => write!(f, "{}: {}", self.what, self.why),
        }
    }
}

impl StdError for Diagnostic {}

/// Attaches a code and the failed operation to an error that has none.
pub trait Diagnose<T> {
    /// Converts the error into a [`Diagnostic`] with this code. `what` is called on failure only.
    ///
    /// # Errors
    /// The original failure, as a diagnostic.
    fn diagnose<W: Into<String>>(self, code: Code, what: impl FnOnce() -> W) -> Result<T, Diagnostic>;
}

impl<T, E: StdError + 'static> Diagnose<T> for Result<T, E> {
    fn diagnose<W: Into<String>>(self, code: Code, what: impl FnOnce() -> W) -> Result<T, Diagnostic> {
        self.map_err(|error| Diagnostic::caused_by(code, what(), &error))
    }
}

/// Puts the failed operation in front of an error that converts into a [`Diagnostic`].
pub trait Context<T> {
    /// Converts the error and calls [`Diagnostic::context`]. `what` is called on failure only.
    ///
    /// # Errors
    /// The original failure with its code and hint.
    fn context<W: Into<String>>(self, what: impl FnOnce() -> W) -> Result<T, Diagnostic>;
}

impl<T, E: Into<Diagnostic>> Context<T> for Result<T, E> {
    fn context<W: Into<String>>(self, what: impl FnOnce() -> W) -> Result<T, Diagnostic> {
        self.map_err(|error| error.into().context(what()))
    }
}

/// Joins an error and its sources with colons, each once.
#[must_use]
pub fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::{Code, Context as _, Diagnose as _, Diagnostic};

    #[test]
    fn context_keeps_the_code_and_the_hint() {
        let inner = Diagnostic::new(Code::FileRead, "cannot read `a`", "no such file").hint("create it");
        let outer = Err::<(), _>(inner).context(|| "cannot start").unwrap_err();
        assert_eq!(outer.report(), "error[file-read]: cannot start: cannot read `a`: no such file\nhint: create it");
    }

    #[test]
    fn diagnose_takes_the_sources_of_an_error_once() {
        let inner = io::Error::other("disk is full");
        let error = Err::<(), _>(io::Error::other(inner)).diagnose(Code::FileWrite, || "cannot write `a`").unwrap_err();
        assert_eq!(error.to_string(), "cannot write `a`: disk is full");
    }

    #[test]
    fn reports_escape_every_part() {
        let error = Diagnostic::new(Code::FileRead, "a\x1b", "b\r").hint("c\nerror[internal-error]: d");
        assert_eq!(error.report(), "error[file-read]: a\\u{1b}: b\\r\nhint: c\\nerror[internal-error]: d");
        let error = Diagnostic::new(Code::FileRead, "a\x1b", "b\x1b\nc");
        assert_eq!(error.report(), "error[file-read]: a\\u{1b}:\n  b\\u{1b}\n  c");
    }

    #[test]
    fn codes_are_unique_kebab_case() {
        for (index, code) in Code::ALL.iter().enumerate() {
            let text = code.as_str();
            assert!(
                text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'),
                "{text}"
            );
            assert!(Code::ALL.iter().skip(index + 1).all(|other| other.as_str() != text), "{text} occurs twice");
        }
    }
}
