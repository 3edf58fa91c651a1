//! A folder of files that only their user can read, inside the state folder of an app.
//!
//! The state folder belongs to a checkout, which somebody else may have made. The folder and its files are therefore
//! opened without following links, only regular files of a limited size are read, and the folder must belong to the
//! user.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags};
use tidegate_diagnostic::{Code, Diagnose as _};

use crate::ui::error::Result;

/// The name of the folder.
const NAME: &str = "private";
const DIR_MODE: Mode = Mode::RWXU;
const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);
/// The maximum size of a file.
const MAX_BYTES: u64 = 64 << 10;
/// The end of the name of a file that is being written.
const UNFINISHED: &str = ".new";

/// A folder that only its user can read.
pub(crate) struct PrivateFolder {
    folder: OwnedFd,
    path: PathBuf,
}

impl PrivateFolder {
    /// Opens the folder in `state_dir`, and creates both if they are missing.
    ///
    /// # Errors
    /// The folder cannot be created, is a link, or belongs to another user.
    pub(crate) fn create(state_dir: &Path) -> Result<Self> {
        let path = state_dir.join(NAME);
        let what = || format!("cannot create the folder `{}`", path.display());
        fs::create_dir_all(state_dir).diagnose(Code::FileCreate, what)?;
        match rustix::fs::mkdirat(CWD, &path, DIR_MODE) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            error => error.diagnose(Code::FileCreate, what)?,
        }
        let folder = Self::at(path.clone()).diagnose(Code::FileCreate, what)?;
        // The folder may be older than this rule, or come from a checkout.
        rustix::fs::fchmod(&folder.folder, DIR_MODE).diagnose(Code::FileCreate, what)?;
        Ok(folder)
    }

    /// Opens the folder in `state_dir`. Returns `None` if there is none.
    ///
    /// # Errors
    /// The folder cannot be opened, is a link, or belongs to another user.
    pub(crate) fn open(state_dir: &Path) -> Result<Option<Self>> {
        let path = state_dir.join(NAME);
        match Self::at(path.clone()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            folder => folder.map(Some).diagnose(Code::FileRead, || format!("cannot read `{}`", path.display())),
        }
    }

    fn at(path: PathBuf) -> io::Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
        let folder = rustix::fs::openat(CWD, &path, flags, Mode::empty())?;
        if rustix::fs::fstat(&folder)?.st_uid != rustix::process::geteuid().as_raw() {
            return Err(io::Error::other("the folder belongs to another user"));
        }
        Ok(Self { folder, path })
    }

    /// Returns the path of a file.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Returns the names of the finished files.
    pub(crate) fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if ![".", ".."].contains(&name.as_str()) && !name.ends_with(UNFINISHED) {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Opens a file for reading.
    pub(crate) fn file(&self, name: &str) -> io::Result<File> {
        // Without `NONBLOCK`, opening a FIFO would wait for a writer.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.folder, name, flags, Mode::empty())?;
        match FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) {
            FileType::RegularFile => Ok(File::from(file)),
            _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file")),
        }
    }

    /// Writes a file that must not exist yet, locks it, and returns it. Others see the file when it is complete and
    /// locked. The lock ends with the process, also if the process is killed.
    pub(crate) fn create_locked(&self, name: &str, content: &str) -> io::Result<File> {
        self.create_by(name, content, |unfinished| {
            // The name contains the process id, so an existing file is of an earlier process.
            self.remove(name)?;
            Ok(rustix::fs::renameat(&self.folder, unfinished, &self.folder, name)?)
        })
    }

    /// Writes a file, unless there is one. Returns the content of the file that is there afterwards.
    pub(crate) fn read_or_create(&self, name: &str, content: &str) -> io::Result<String> {
        let created = self.create_by(name, content, |unfinished| {
            match rustix::fs::linkat(&self.folder, unfinished, &self.folder, name, AtFlags::empty()) {
                Ok(()) => self.remove(unfinished),
                Err(rustix::io::Errno::EXIST) => {
                    self.remove(unfinished)?;
                    Err(io::ErrorKind::AlreadyExists.into())
                }
                // Without hard links, the last of several processes that make the file at the same time wins.
                Err(_) => Ok(rustix::fs::renameat(&self.folder, unfinished, &self.folder, name)?),
            }
        });
        match created {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => read(&self.file(name)?),
        }
    }

    fn create_by(&self, name: &str, content: &str, finish: impl FnOnce(&str) -> io::Result<()>) -> io::Result<File> {
        let unfinished = format!("{name}.{}{UNFINISHED}", std::process::id());
        // The process that would write it is this one, so it is left over from a killed one.
        self.remove(&unfinished)?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(rustix::fs::openat(&self.folder, unfinished.as_str(), flags, FILE_MODE)?);
        // The mode of a new file is reduced by the umask, which may also deny the user.
        rustix::fs::fchmod(&file, FILE_MODE)?;
        file.lock()?;
        file.write_all(content.as_bytes())?;
        finish(&unfinished)?;
        Ok(file)
    }

    /// Removes a file, if there is one.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.folder, name, AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Reads a file of at most [`MAX_BYTES`].
pub(crate) fn read(file: &File) -> io::Result<String> {
    let mut text = String::new();
    file.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("it has more than {MAX_BYTES} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn read_file(folder: &PrivateFolder, name: &str) -> io::Result<String> {
        read(&folder.file(name)?)
    }

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn files_and_their_folder_are_readable_by_their_user_only() {
        let app = tempfile::tempdir().unwrap();
        let state = app.path().join(".tidegate");
        fs::create_dir_all(state.join(NAME)).unwrap();
        fs::set_permissions(state.join(NAME), fs::Permissions::from_mode(0o777)).unwrap();
        let folder = PrivateFolder::create(&state).unwrap();
        let _locked = folder.create_locked("a", "one").unwrap();
        assert_eq!((mode(&state.join(NAME)), mode(&folder.path("a"))), (0o700, 0o600));
        assert_eq!(read_file(&folder, "a").unwrap(), "one");
        assert_eq!(folder.read_or_create("b", "two").unwrap(), "two");
        assert_eq!(folder.read_or_create("b", "three").unwrap(), "two");
        assert_eq!(mode(&folder.path("b")), 0o600);
        assert_eq!(folder.names().unwrap(), ["a", "b"]);
        folder.remove("a").unwrap();
        assert_eq!(folder.names().unwrap(), ["b"]);
    }

    #[test]
    fn locks_end_with_their_file() {
        let app = tempfile::tempdir().unwrap();
        let folder = PrivateFolder::create(app.path()).unwrap();
        let locked = folder.create_locked("a", "one").unwrap();
        assert!(folder.file("a").unwrap().try_lock_shared().is_err());
        drop(locked);
        folder.file("a").unwrap().try_lock_shared().unwrap();
        // A later process with the same id takes the place of the file.
        let _locked = folder.create_locked("a", "two").unwrap();
        assert_eq!(read_file(&folder, "a").unwrap(), "two");
    }

    #[test]
    fn links_and_files_that_are_not_regular_are_refused() {
        let app = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        symlink(elsewhere.path(), app.path().join(NAME)).unwrap();
        assert!(PrivateFolder::create(app.path()).is_err());
        assert!(PrivateFolder::open(app.path()).is_err());
        assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
        fs::remove_file(app.path().join(NAME)).unwrap();
        assert!(PrivateFolder::open(app.path()).unwrap().is_none());

        let folder = PrivateFolder::create(app.path()).unwrap();
        fs::write(elsewhere.path().join("target"), "of another").unwrap();
        symlink(elsewhere.path().join("target"), folder.path("link")).unwrap();
        fs::create_dir(folder.path("folder")).unwrap();
        let fifo = std::process::Command::new("mkfifo").arg(folder.path("fifo")).status().unwrap();
        assert!(fifo.success());
        fs::write(folder.path("large"), vec![b'x'; 70_000]).unwrap();
        for name in ["link", "folder", "fifo", "large"] {
            assert!(read_file(&folder, name).is_err(), "{name}");
            assert!(folder.read_or_create(name, "new").is_err(), "{name}");
        }
        assert_eq!(fs::read_to_string(elsewhere.path().join("target")).unwrap(), "of another");
    }
}
