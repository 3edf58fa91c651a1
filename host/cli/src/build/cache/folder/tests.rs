use std::os::unix::fs::{MetadataExt as _, symlink};

use tempfile::TempDir;

use super::*;

struct Subject {
    root: TempDir,
}

impl Subject {
    fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap() }
    }

    fn dir(&self) -> PathBuf {
        self.root.path().join("cache/tidegate")
    }

    fn open(&self) -> Folder {
        Folder::open_in(self.dir()).unwrap()
    }

    fn refusal(&self) -> Code {
        Folder::open_in(self.dir()).err().unwrap().code
    }
}

fn name(text: &str) -> &OsStr {
    OsStr::new(text)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

#[test]
fn entries_are_read_back_by_later_processes() {
    let subject = Subject::new();
    subject.open().write(name("a"), b"artifact").unwrap();
    assert_eq!(subject.open().read(name("a")), Ok(Some(b"artifact".to_vec())));
    assert_eq!(subject.open().read(name("b")), Ok(None));
    assert_eq!(mode(&subject.dir()), 0o700);
    assert_eq!((mode(&subject.dir().join(KEY_FILE)), mode(&subject.dir().join("a"))), (0o600, 0o600));
}

#[test]
fn planted_entries_are_not_used_and_are_replaced() {
    let subject = Subject::new();
    let folder = subject.open();
    folder.write(name("a"), b"artifact").unwrap();
    let entry = subject.dir().join("a");
    let authentic = fs::read(&entry).unwrap();
    let altered: Vec<u8> =
        authentic.iter().enumerate().map(|(at, byte)| byte ^ u8::from(at == MAC_BYTES + 3)).collect();
    let other_mac: Vec<u8> = authentic.iter().enumerate().map(|(at, byte)| byte ^ u8::from(at == 0)).collect();
    for planted in
        [b"".as_slice(), b"planted", b"a planted artifact without any code in front of it", &altered, &other_mac]
    {
        fs::write(&entry, planted).unwrap();
        assert!(folder.read(name("a")).unwrap_err().contains("was not written by"), "{planted:?}");
        folder.write(name("a"), b"artifact").unwrap();
        assert_eq!(folder.read(name("a")), Ok(Some(b"artifact".to_vec())));
    }
    // An authentic entry is not used under another name.
    fs::rename(&entry, subject.dir().join("b")).unwrap();
    assert!(folder.read(name("b")).unwrap_err().contains("was not written by"));
}

#[test]
fn entries_that_are_not_regular_files_are_replaced() {
    let subject = Subject::new();
    let folder = subject.open();
    let entry = subject.dir().join("a");
    let plant: [&dyn Fn(&Path); 3] = [
        &|entry| rustix::fs::mkfifoat(rustix::fs::CWD, entry, rustix::fs::Mode::RUSR).unwrap(),
        &|entry| symlink("/dev/zero", entry).unwrap(),
        &|entry| fs::create_dir(entry).unwrap(),
    ];
    for plant in plant {
        let _ = fs::remove_file(&entry);
        plant(&entry);
        assert!(folder.read(name("a")).is_err());
        folder.write(name("a"), b"artifact").unwrap();
        assert_eq!(folder.read(name("a")), Ok(Some(b"artifact".to_vec())));
    }
}

#[test]
fn folders_of_others_are_not_used() {
    let subject = Subject::new();
    subject.open();
    for open_to in [0o777, 0o770] {
        fs::set_permissions(subject.dir(), fs::Permissions::from_mode(open_to)).unwrap();
        assert_eq!(subject.refusal(), Code::CacheUnsafe);
    }
    let elsewhere = subject.root.path().join("elsewhere");
    fs::set_permissions(subject.dir(), fs::Permissions::from_mode(0o755)).unwrap();
    subject.open();
    assert_eq!(mode(&subject.dir()), 0o700);
    fs::rename(subject.dir(), &elsewhere).unwrap();
    symlink(&elsewhere, subject.dir()).unwrap();
    assert_eq!(subject.refusal(), Code::CacheUnsafe);
}

#[test]
fn keys_that_others_may_know_are_replaced() {
    let subject = Subject::new();
    subject.open().write(name("a"), b"artifact").unwrap();
    let path = subject.dir().join(KEY_FILE);
    let key = fs::read(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let folder = subject.open();
    assert_ne!(folder.key.as_slice(), key);
    assert!(folder.read(name("a")).is_err());
    for plant in [b"".as_slice(), b"short", &[7; 100]] {
        fs::write(&path, plant).unwrap();
        assert_ne!(subject.open().key.as_slice(), plant);
        assert_eq!(fs::read(&path).unwrap().len(), KEY_BYTES);
    }
    fs::write(subject.root.path().join("known"), [7; KEY_BYTES]).unwrap();
    fs::remove_file(&path).unwrap();
    symlink(subject.root.path().join("known"), &path).unwrap();
    assert_ne!(subject.open().key, [7; KEY_BYTES]);
    assert!(!path.is_symlink());
}

#[test]
fn old_and_surplus_entries_are_removed() {
    let subject = Subject::new();
    let folder = subject.open();
    let days = |number: u64| SystemTime::now() - Duration::from_secs(number * 24 * 3_600);
    for (entry, used) in [("a", 40), ("b", 20), ("c", 10), ("d", 5)] {
        folder.write(name(entry), &[0; 100 - MAC_BYTES]).unwrap();
        fs::File::open(subject.dir().join(entry)).unwrap().set_modified(days(used)).unwrap();
    }
    let left = || -> Vec<_> { ["a", "b", "c", "d"].into_iter().filter(|e| subject.dir().join(e).exists()).collect() };
    folder.prune();
    assert_eq!(left(), ["b", "c", "d"]);
    // A use makes an entry the most recently used one.
    assert!(folder.read(name("b")).unwrap().is_some());
    folder.prune_to(200);
    assert_eq!(left(), ["b", "d"]);
    folder.prune_to(0);
    assert_eq!(left(), [""; 0]);
    assert!(subject.dir().join(KEY_FILE).exists());
}
