//! Constructors of [`WriteOptions`].

use crate::storage::{Condition, WriteOptions};

#[allow(clippy::derivable_impls, reason = "the type is generated, with the same derives as every other")]
impl Default for WriteOptions {
    fn default() -> Self {
        Self { condition: None, expires_at: None }
    }
}

impl From<Condition> for WriteOptions {
    fn from(condition: Condition) -> Self {
        Self { condition: Some(condition), expires_at: None }
    }
}

impl From<()> for WriteOptions {
    fn from((): ()) -> Self {
        Self::default()
    }
}

impl WriteOptions {
    /// Sets the expiry, in milliseconds since the Unix epoch. The document is absent from then on.
    ///
    /// ```
    /// use tidegate_guest::storage::WriteOptions;
    ///
    /// let options = WriteOptions::default().expires_at(4_000_000_000_000);
    /// assert_eq!(options.expires_at, Some(4_000_000_000_000));
    /// ```
    #[must_use]
    pub fn expires_at(mut self, time: u64) -> Self {
        self.expires_at = Some(time);
        self
    }
}
