//! Errors of stores.

use std::fmt;

use tidegate_diagnostic::{Code, Diagnostic};

/// A failed call of a store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The release or artifact does not exist.
    #[error("{0}")]
    NotFound(StoreFailure),
    /// Another process was first: the rollout state has changed, or another release has this id.
    #[error("{0}")]
    Conflict(StoreFailure),
    /// The caller lacks a permission.
    #[error("{0}")]
    Denied(StoreFailure),
    /// A stored value cannot be read, or a value to be stored is not allowed.
    #[error("{0}")]
    Invalid(StoreFailure),
    /// A stored value is larger than its limit.
    #[error("{0}")]
    TooLarge(StoreFailure),
    /// The store did not respond, or it failed. A write may have taken effect.
    #[error("{0}")]
    Unavailable(StoreFailure),
}

/// The operation that failed, its cause and its remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreFailure {
    /// The operation and its subject, for example ``cannot write `releases/pointer.json` ``.
    pub what: String,
    /// The cause, for example `no space left on device`.
    pub why: String,
    /// The remedy, where one is known.
    pub hint: Option<String>,
}

impl StoreFailure {
    /// Creates a failure without a hint.
    #[must_use]
    pub fn new(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { what: what.into(), why: why.into(), hint: None }
    }

    /// Adds a hint.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl fmt::Display for StoreFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.why)
    }
}

impl StoreError {
    /// Returns the operation that failed, its cause and its remedy.
    #[must_use]
    pub fn failure(&self) -> &StoreFailure {
        match self {
            Self::NotFound(failure)
            | Self::Conflict(failure)
            | Self::Denied(failure)
            | Self::Invalid(failure)
            | Self::TooLarge(failure)
            | Self::Unavailable(failure) => failure,
        }
    }
}

impl From<StoreError> for Diagnostic {
    fn from(error: StoreError) -> Self {
        let (code, failure) = match error {
            StoreError::NotFound(failure) => (Code::StoreNotFound, failure),
            StoreError::Conflict(failure) => (Code::StoreConflict, failure),
            StoreError::Denied(failure) => (Code::StoreDenied, failure),
            StoreError::Invalid(failure) | StoreError::TooLarge(failure) => (Code::StoreInvalid, failure),
            StoreError::Unavailable(failure) => (Code::StoreUnavailable, failure),
        };
        Self { code, what: failure.what, why: failure.why, hint: failure.hint }
    }
}
