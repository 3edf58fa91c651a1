//! The reasons for refusing a file, as the source of an [`io::Error`].

use std::io::{self, ErrorKind};
use std::path::PathBuf;

/// A file that exists but must not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The file is not a regular file.
    #[error("it is {0}, not a regular file")]
    NotRegular(&'static str),
    /// The path is not a folder.
    #[error("it is {0}, not a folder")]
    NotFolder(&'static str),
    /// The path, or a folder on the way to it, is a symbolic link.
    #[error("it is a symbolic link, or is reached through one")]
    Link,
    /// The path leads out of the folder that it belongs to.
    #[error("it is outside of the folder `{}`", .0.display())]
    Outside(PathBuf),
    /// The file is larger than any valid one.
    #[error("it is larger than {0} bytes")]
    TooLarge(u64),
    /// Other users can read the file.
    #[error("other users can read it: its mode is {0:04o}")]
    Readable(u32),
    /// Other users can change the file or folder.
    #[error("other users can change it: its mode is {0:04o}")]
    Writable(u32),
    /// The file or folder belongs to another user.
    #[error("it belongs to another user: to the user id {0}")]
    OtherOwner(u32),
    /// The file has a second name, under which others may be able to reach it.
    #[error("it has {0} names (hard links)")]
    Shared(u64),
}

/// Returns the reason if the error is the refusal of a file.
#[must_use]
pub fn refusal(error: &io::Error) -> Option<&Refused> {
    error.get_ref()?.downcast_ref()
}

impl From<Refused> for io::Error {
    fn from(refused: Refused) -> Self {
        let kind = match refused {
            Refused::TooLarge(_) => ErrorKind::FileTooLarge,
            Refused::NotFolder(_) => ErrorKind::NotADirectory,
            _ => ErrorKind::InvalidInput,
        };
        Self::new(kind, refused)
    }
}
