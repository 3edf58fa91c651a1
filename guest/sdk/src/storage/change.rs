//! What an update does to a document.

use serde::Serialize;

pub use crate::bindings::route::tidegate::route::storage::{Assignment, Change, Increment};
use crate::storage::{Error, write};

/// Where a change applies: a member name, or the names down to one, from the top of the document.
pub trait IntoPath {
    /// The names.
    fn into_path(self) -> Vec<String>;
}

impl IntoPath for &str {
    fn into_path(self) -> Vec<String> {
        vec![self.to_owned()]
    }
}

impl<const N: usize> IntoPath for [&str; N] {
    fn into_path(self) -> Vec<String> {
        self.map(str::to_owned).into()
    }
}

impl IntoPath for Vec<String> {
    fn into_path(self) -> Vec<String> {
        self
    }
}

impl Change {
    /// Sets a member to a value.
    ///
    /// # Errors
    ///
    /// [`Error::Document`] when the value has no JSON.
    pub fn set<T: Serialize + ?Sized>(path: impl IntoPath, value: &T) -> Result<Self, Error> {
        Ok(Self::Set(Assignment { path: path.into_path(), value: write(value)? }))
    }

    /// Adds to a number; a missing one counts as 0.
    #[must_use]
    pub fn add(path: impl IntoPath, by: i64) -> Self {
        Self::Add(Increment { path: path.into_path(), by })
    }

    /// Appends items to a list; a missing one counts as empty.
    ///
    /// # Errors
    ///
    /// [`Error::Document`] when the items have no JSON.
    pub fn append<T: Serialize>(path: impl IntoPath, items: &[T]) -> Result<Self, Error> {
        Ok(Self::Append(Assignment { path: path.into_path(), value: write(items)? }))
    }

    /// Removes a member; no error when there is none.
    #[must_use]
    pub fn remove(path: impl IntoPath) -> Self {
        Self::Remove(path.into_path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_carry_json_and_paths() {
        let set = Change::set(["owner", "name"], "al\"ice").unwrap();
        let assignment = Assignment { path: vec!["owner".into(), "name".into()], value: r#""al\"ice""#.into() };
        assert_eq!(set, Change::Set(assignment));
        let append = Change::append("tags", &["a"]).unwrap();
        assert_eq!(append, Change::Append(Assignment { path: vec!["tags".into()], value: r#"["a"]"#.into() }));
        assert_eq!(Change::remove("tags"), Change::Remove(vec!["tags".into()]));
    }
}
