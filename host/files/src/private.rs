//! Folders and files that only their owner can use.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::process::geteuid;

use crate::read::{self, Links, describe};
use crate::refused::Refused;

/// The mode of a folder that only its owner can use.
pub const FOLDER_MODE: u32 = 0o700;
/// The mode of a file that only its owner can use.
pub const FILE_MODE: u32 = 0o600;

/// The permissions of the group and of all other users.
const OTHERS: u32 = 0o077;
/// The permissions of others to change a file or folder.
const OTHERS_WRITE: u32 = 0o022;
/// The permission bits of a mode.
const PERMISSIONS: u32 = 0o7777;

/// Creates a folder and its missing parents, each with the mode 0700. An existing folder keeps its mode.
///
/// # Errors
/// The file system fails, or the path is not a folder.
pub fn create_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path)
}

/// Checks that a folder is real, belongs to this user, and can be changed by nobody else.
///
/// # Errors
/// A [`Refused`], or an error of the file system.
pub fn check_folder(path: &Path) -> io::Result<()> {
    let found = fs::symlink_metadata(path)?;
    if found.is_symlink() {
        return Err(Refused::Link.into());
    }
    if !found.is_dir() {
        return Err(Refused::NotFolder(describe(found.file_type())).into());
    }
    check_owner(found.uid())?;
    match found.mode() & OTHERS_WRITE {
        0 => Ok(()),
        _ => Err(Refused::Writable(found.mode() & PERMISSIONS).into()),
    }
}

/// Opens a private file of this user for reading. A private file has the mode 0600 or less, and one name.
///
/// # Errors
/// A [`Refused`], or an error of the file system.
pub fn open(path: &Path, links: Links<'_>) -> io::Result<File> {
    let file = read::open(path, links)?;
    check_owner(file.metadata()?.uid())?;
    check_unreadable(&file)?;
    match file.metadata()?.nlink() {
        1 => Ok(file),
        names => Err(Refused::Shared(names).into()),
    }
}

/// Checks that nobody but its owner can read or change an open file.
///
/// # Errors
/// [`Refused::Readable`].
pub fn check_unreadable(file: &File) -> io::Result<()> {
    let mode = file.metadata()?.mode();
    match mode & OTHERS {
        0 => Ok(()),
        _ => Err(Refused::Readable(mode & PERMISSIONS).into()),
    }
}

/// Opens a lock file for writing, and creates it with the mode 0600. Its content does not change. Never waits.
///
/// # Errors
/// A [`Refused`] if the file is a link or not regular, or an error of the file system.
pub fn open_lock(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW;
    read::open_in(CWD, path, flags, Mode::RUSR | Mode::WUSR)
}

fn check_owner(owner: u32) -> io::Result<()> {
    match owner == geteuid().as_raw() {
        true => Ok(()),
        false => Err(Refused::OtherOwner(owner).into()),
    }
}

#[cfg(test)]
#[path = "private/tests.rs"]
mod tests;
