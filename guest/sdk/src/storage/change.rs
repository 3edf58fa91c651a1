//! The changes of an update.
//!
//! ```no_run
//! # use tidegate_guest::{Result, storage::{Change, Collection, Key}};
//! # #[derive(serde::Deserialize)]
//! # struct Room {}
//! fn rename(rooms: &Collection, name: &str) -> Result<()> {
//!     let changes = [Change::set(["title", "text"], name)?, Change::append("names", &[name])?];
//!     rooms.update::<Room>(&Key::new("lobby", "room"), changes)?;
//!     Ok(())
//! }
//! ```

use serde::Serialize;

/// The path and the JSON text of [`Change::Set`] and [`Change::Append`].
///
/// ```
/// # fn main() -> Result<(), tidegate_guest::Error> {
/// use tidegate_guest::storage::change::{Assignment, Change};
///
/// let assignment = Assignment { path: vec!["open".into()], value: "true".into() };
/// assert_eq!(Change::Set(assignment), Change::set("open", &true)?);
/// # Ok(())
/// # }
/// ```
pub use crate::bindings::route::tidegate::route::storage::Assignment;
pub use crate::bindings::route::tidegate::route::storage::Change;
/// The path and the addend of [`Change::Add`].
///
/// ```
/// use tidegate_guest::storage::change::{Change, Increment};
///
/// let increment = Increment { path: vec!["visits".into()], by: 1 };
/// assert_eq!(Change::Add(increment), Change::add("visits", 1));
/// ```
pub use crate::bindings::route::tidegate::route::storage::Increment;
use crate::storage::{Error, write};

/// The path of a change: one member name, or the names from the top of the document to a member.
///
/// ```
/// use tidegate_guest::storage::Change;
///
/// let names = vec!["counts".to_owned(), "visits".to_owned()];
/// assert_eq!(Change::remove(["counts", "visits"]), Change::remove(names));
/// assert_ne!(Change::remove("counts"), Change::remove("visits"));
/// ```
pub trait IntoPath {
    /// Returns the member names, from the top of the document.
    ///
    /// ```
    /// use tidegate_guest::storage::change::IntoPath;
    ///
    /// assert_eq!(["counts", "visits"].into_path(), vec!["counts".to_owned(), "visits".to_owned()]);
    /// ```
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
    /// ```
    /// # fn main() -> Result<(), tidegate_guest::Error> {
    /// let change = tidegate_guest::storage::Change::set(["owner", "name"], "alice")?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Document`] if the value cannot be written as JSON.
    pub fn set<T: Serialize + ?Sized>(path: impl IntoPath, value: &T) -> Result<Self, Error> {
        Ok(Self::Set(Assignment { path: path.into_path(), value: write(value)? }))
    }

    /// Adds to a number. A missing number counts as 0.
    ///
    /// ```
    /// let change = tidegate_guest::storage::Change::add("visits", 1);
    /// ```
    #[must_use]
    pub fn add(path: impl IntoPath, by: i64) -> Self {
        Self::Add(Increment { path: path.into_path(), by })
    }

    /// Appends items to a list. A missing list counts as empty.
    ///
    /// ```
    /// # fn main() -> Result<(), tidegate_guest::Error> {
    /// let change = tidegate_guest::storage::Change::append("tags", &["rust", "wasm"])?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Document`] if the items cannot be written as JSON.
    pub fn append<T: Serialize>(path: impl IntoPath, items: &[T]) -> Result<Self, Error> {
        Ok(Self::Append(Assignment { path: path.into_path(), value: write(items)? }))
    }

    /// Removes a member. Removing a missing member is not an error.
    ///
    /// ```
    /// let change = tidegate_guest::storage::Change::remove("draft");
    /// ```
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
