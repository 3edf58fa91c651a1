//! Regular files with a limit on their size.

use std::fs::{self, File, FileType};
use std::io::{self, ErrorKind, Read as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Component, Path};

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;

use crate::refused::Refused;

/// The treatment of symbolic links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links<'a> {
    /// Follows links, for a path that the user has named.
    Follow,
    /// Follows links that stay inside this folder, for the files of an app.
    Within(&'a Path),
    /// Follows links only up to this folder, and none below it, for the files of a store or of a release.
    RefuseBelow(&'a Path),
}

/// Opens a regular file for reading. Never waits, for example for the writer of a named pipe.
///
/// # Errors
/// - [`ErrorKind::NotFound`] if the file does not exist
/// - a [`Refused`] if the file is not regular, or a link leads to it that must not be followed
pub fn open(path: &Path, links: Links<'_>) -> io::Result<File> {
    match links {
        Links::Follow => {
            // The type is checked before the file is opened too: opening some devices has effects.
            check_regular(fs::metadata(path)?.file_type())?;
            open_in(CWD, path, OFlags::empty(), Mode::empty())
        }
        Links::Within(folder) => {
            let folder = folder.canonicalize()?;
            let path = path.canonicalize()?;
            match path.starts_with(&folder) {
                true => open_below(&folder, &path),
                false => Err(Refused::Outside(folder).into()),
            }
        }
        Links::RefuseBelow(folder) => open_below(folder, path),
    }
}

/// Reads a regular file of at most `limit` bytes.
///
/// # Errors
/// The same as for [`open`], and [`Refused::TooLarge`].
pub fn read(path: &Path, limit: u64, links: Links<'_>) -> io::Result<Vec<u8>> {
    read_open(&open(path, links)?, limit)
}

/// Reads a regular file of at most `limit` bytes of UTF-8.
///
/// # Errors
/// The same as for [`read`], and [`ErrorKind::InvalidData`] if the file is not UTF-8.
pub fn read_text(path: &Path, limit: u64, links: Links<'_>) -> io::Result<String> {
    let not_text = |_| io::Error::new(ErrorKind::InvalidData, "it is not UTF-8 text");
    String::from_utf8(read(path, limit, links)?).map_err(not_text)
}

/// Reads the rest of an open file, which must have at most `limit` bytes. The size is checked before memory is
/// allocated, and again after reading, because the file may grow.
///
/// # Errors
/// [`Refused::TooLarge`], or an error of the file system.
pub fn read_open(file: &File, limit: u64) -> io::Result<Vec<u8>> {
    let size = file.metadata()?.len();
    if size > limit {
        return Err(Refused::TooLarge(limit).into());
    }
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(usize::try_from(size).unwrap_or(usize::MAX)).map_err(|_| ErrorKind::OutOfMemory)?;
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    match u64::try_from(bytes.len()).is_ok_and(|length| length <= limit) {
        true => Ok(bytes),
        false => Err(Refused::TooLarge(limit).into()),
    }
}

/// Opens `path`, which is below `folder`, without following a link below `folder`. Each folder on the way is opened in
/// turn, so that none of them can be replaced by a link meanwhile.
fn open_below(folder: &Path, path: &Path) -> io::Result<File> {
    let outside = || io::Error::from(Refused::Outside(folder.to_owned()));
    let relative = path.strip_prefix(folder).map_err(|_| outside())?;
    let mut names = Vec::new();
    for part in relative.components() {
        match part {
            Component::Normal(name) => names.push(name),
            Component::CurDir => {}
            _ => return Err(outside()),
        }
    }
    let (file, folders) = names.split_last().ok_or_else(outside)?;
    let mut current = open_folder(CWD, folder, OFlags::empty())?;
    for name in folders {
        current = open_folder(current, Path::new(name), OFlags::NOFOLLOW)?;
    }
    open_in(current, Path::new(file), OFlags::NOFOLLOW, Mode::empty())
}

fn open_folder(at: impl AsFd, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    let flags = flags | OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    openat(at, path, flags, Mode::empty()).map_err(|error| match error {
        // With `NOFOLLOW`, a link to a folder is not a folder.
        Errno::LOOP => Refused::Link.into(),
        Errno::NOTDIR if flags.contains(OFlags::NOFOLLOW) => Refused::Link.into(),
        error => error.into(),
    })
}

/// Opens a regular file without waiting. `mode` is the mode of a file that `flags` allow to create.
pub(crate) fn open_in(at: impl AsFd, path: &Path, flags: OFlags, mode: Mode) -> io::Result<File> {
    let flags = flags | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = openat(at, path, flags, mode).map_err(|error| match error {
        Errno::LOOP if flags.contains(OFlags::NOFOLLOW) => io::Error::from(Refused::Link),
        // A socket cannot be opened, nor a device without a driver.
        Errno::NXIO => Refused::NotRegular("a socket or a device").into(),
        error => error.into(),
    })?;
    let file = File::from(file);
    check_regular(file.metadata()?.file_type())?;
    Ok(file)
}

fn check_regular(kind: FileType) -> io::Result<()> {
    match kind.is_file() {
        true => Ok(()),
        false => Err(Refused::NotRegular(describe(kind)).into()),
    }
}

/// Describes a file that has the wrong type.
pub(crate) fn describe(kind: FileType) -> &'static str {
    match () {
        () if kind.is_file() => "a file",
        () if kind.is_dir() => "a folder",
        () if kind.is_symlink() => "a symbolic link",
        () if kind.is_fifo() => "a named pipe",
        () if kind.is_socket() => "a socket",
        () => "a device",
    }
}

#[cfg(test)]
#[path = "read/tests.rs"]
mod tests;
