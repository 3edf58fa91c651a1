//! Changes to the files that an app is built from.
//!
//! - `mount`: file systems on which a change may not be notified
//! - `poll`: reads folders at intervals, on such file systems and where the system cannot watch

pub(crate) mod mount;
mod poll;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{self, Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use globset::{GlobBuilder, GlobMatcher};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tidegate_app::{Component, Manifest, toml_key};
use tidegate_diagnostic::{Code, Diagnose as _};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

use crate::build;
use crate::dev::config;
use crate::dev::watch::poll::{PERIOD, Poller};
use crate::ui::error::Result;
use crate::ui::terminal::err;

/// The quiet time before a build begins, because an editor writes a file in several steps and saves several files at
/// once.
const DEBOUNCE: Duration = Duration::from_millis(100);
/// The characters that make a path a pattern.
const PATTERN: [char; 4] = ['*', '?', '[', '{'];

/// A watch over the files of a manifest. Dropping it ends the watch.
pub(crate) struct Watch {
    rules: Rules,
    paths: UnboundedReceiver<PathBuf>,
    /// `None` if the system cannot watch files.
    _watcher: Option<RecommendedWatcher>,
    /// `None` unless a folder is read at intervals.
    _poller: Option<Poller>,
}

/// The folders that are read at intervals, each with the reason.
type Polled = BTreeMap<PathBuf, String>;

/// The folders that were reported to be read at intervals.
static REPORTED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// A set of changes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// True if the manifest has changed.
    pub(crate) manifest: bool,
    /// True if the `.env` file has changed.
    pub(crate) config: bool,
    /// The components with a changed file.
    pub(crate) components: BTreeSet<String>,
}

impl Changes {
    /// Returns true if nothing has changed.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds the other changes to these.
    pub(crate) fn add(&mut self, others: Self) {
        self.manifest |= others.manifest;
        self.config |= others.config;
        self.components.extend(others.components);
    }
}

/// The rules that map the path of a changed file to its effect.
struct Rules {
    manifest: PathBuf,
    config: PathBuf,
    /// The folder that Tidegate itself writes to.
    state_dir: PathBuf,
    /// The files of components without a build command.
    sources: Vec<(String, PathBuf)>,
    globs: Vec<(String, GlobMatcher)>,
}

impl Watch {
    /// Watches the manifest, the `.env` file next to it, the `watch` patterns of each component, and the files of the
    /// components without a build command. Folders whose changes may not be notified are read at intervals too.
    ///
    /// # Errors
    /// A pattern is not valid.
    pub(crate) fn new(manifest: &Manifest) -> Result<Self> {
        let (rules, folders) = Rules::new(manifest)?;
        let silent = |folder: &Path| {
            mount::silent(folder).map(|kind| format!("changes on its file system ({kind}) may not be notified"))
        };
        let (watch, polled) = Self::start(rules, &folders, PERIOD, watcher, silent);
        report(&polled);
        Ok(watch)
    }

    fn start(
        rules: Rules,
        folders: &BTreeMap<PathBuf, RecursiveMode>,
        period: Duration,
        watcher: impl FnOnce(UnboundedSender<PathBuf>) -> notify::Result<RecommendedWatcher>,
        silent: impl Fn(&Path) -> Option<String>,
    ) -> (Self, Polled) {
        let (changed, paths) = unbounded_channel();
        let mut watcher = watcher(changed.clone());
        let mut polled = Polled::new();
        for (folder, mode) in folders {
            let failure = match &mut watcher {
                Ok(watcher) => watcher.watch(folder, *mode).err().map(|error| error.to_string()),
                Err(error) => Some(error.to_string()),
            };
            let failure = failure.map(|reason| format!("the system cannot watch it: {reason}"));
            polled.extend(failure.or_else(|| silent(folder)).map(|reason| (folder.clone(), reason)));
        }
        let read = folders.iter().filter(|(folder, _)| polled.contains_key(*folder));
        let read: BTreeMap<_, _> = read.map(|(folder, mode)| (folder.clone(), *mode)).collect();
        let poller = if read.is_empty() { None } else { Poller::start(read, rules.state_dir.clone(), period, changed) };
        (Self { rules, paths, _watcher: watcher.ok(), _poller: poller }, polled)
    }

    /// Waits for a change, and then for [`DEBOUNCE`] without another one.
    pub(crate) async fn next(&mut self) -> Changes {
        let mut changes = Changes::default();
        let mut quiet = None;
        loop {
            let path = match quiet {
                None => self.paths.recv().await,
                Some(until) => match tokio::time::timeout_at(until, self.paths.recv()).await {
                    Ok(path) => path,
                    Err(_) => return changes,
                },
            };
            match path {
                // Changes of other files do not count: a log next to the sources may change all the time.
                Some(path) if self.rules.apply(&path, &mut changes) => quiet = Some(Instant::now() + DEBOUNCE),
                Some(_) => {}
                // The watcher lives as long as this value.
                None => std::future::pending().await,
            }
        }
    }

    /// Returns the changes that have arrived since the last call of [`next`](Self::next).
    pub(crate) fn rest(&mut self) -> Changes {
        let mut changes = Changes::default();
        while let Ok(path) = self.paths.try_recv() {
            self.rules.apply(&path, &mut changes);
        }
        changes
    }
}

/// Creates the watcher of the system, which sends the paths of changed files.
fn watcher(changed: UnboundedSender<PathBuf>) -> notify::Result<RecommendedWatcher> {
    notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // If an event is lost, the next change of the file causes a build.
        let Ok(event) = event else { return };
        if matches!(event.kind, EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_)) {
            // The send fails only after the watch has ended.
            event.paths.into_iter().for_each(|path| drop(changed.send(path)));
        }
    })
}

/// Reports once for each folder that it is read at intervals.
fn report(polled: &Polled) {
    let mut reported = REPORTED.lock().unwrap_or_else(PoisonError::into_inner);
    for (folder, reason) in polled {
        if reported.insert(folder.clone()) {
            err!("tidegate: files in `{}` are read every {} s: {reason}", folder.display(), PERIOD.as_secs());
        }
    }
}

impl Rules {
    /// Returns the rules, and the folders to watch.
    fn new(manifest: &Manifest) -> Result<(Self, BTreeMap<PathBuf, RecursiveMode>)> {
        let mut rules = Self {
            manifest: manifest.file.clone(),
            config: config::env_file(manifest),
            state_dir: build::state::path(manifest),
            sources: Vec::new(),
            globs: Vec::new(),
        };
        let mut folders = BTreeMap::from([(manifest.dir.clone(), RecursiveMode::NonRecursive)]);
        for Component { name, source, build, watch, .. } in &manifest.components {
            if build.is_none() {
                // Events report paths without `.`.
                let source: PathBuf = source.components().collect();
                let folder = source.parent().unwrap_or(&source).to_owned();
                folders.entry(folder).or_insert(RecursiveMode::NonRecursive);
                rules.sources.push((name.clone(), source));
            }
            for glob in watch {
                let (folder, matcher) = pattern(&manifest.dir, glob).diagnose(Code::WatchPatternInvalid, || {
                    let key = format!("components.{}.watch", toml_key(name));
                    format!("invalid pattern `{glob}` at `{key}` in `{}`", manifest.file.display())
                })?;
                folders.insert(folder, RecursiveMode::Recursive);
                rules.globs.push((name.clone(), matcher));
            }
        }
        // A missing folder cannot be watched. If a build command creates it, this does not count as a change.
        folders.retain(|folder, _| folder.is_dir());
        Ok((rules, folders))
    }

    /// Adds the effect of a change of `path` to `changes`. Returns true if there is an effect.
    fn apply(&self, path: &Path, changes: &mut Changes) -> bool {
        if path.starts_with(&self.state_dir) {
            return false;
        }
        let sources = self.sources.iter().filter(|(_, source)| source == path).map(|(name, _)| name);
        let globs = self.globs.iter().filter(|(_, glob)| glob.is_match(path)).map(|(name, _)| name);
        let more = Changes {
            manifest: path == self.manifest,
            config: path == self.config,
            components: sources.chain(globs).cloned().collect(),
        };
        let any = !more.is_empty();
        changes.add(more);
        any
    }
}

/// Returns the folder above the first pattern of a glob, and the matcher of the whole glob. Relative globs start at
/// `dir`.
fn pattern(dir: &Path, glob: &str) -> Result<(PathBuf, GlobMatcher), globset::Error> {
    // Events report paths without `.`.
    let glob: PathBuf = Path::new(glob).components().filter(|part| *part != path::Component::CurDir).collect();
    let literal = |part: &path::Component<'_>| !part.as_os_str().to_string_lossy().contains(PATTERN);
    let mut base: PathBuf = glob.components().take_while(literal).collect();
    if base == glob {
        base.pop();
    }
    let text = match glob.is_absolute() {
        true => glob.to_string_lossy().into_owned(),
        false => format!("{}/{}", globset::escape(&dir.to_string_lossy()), glob.display()),
    };
    let matcher = GlobBuilder::new(&text).literal_separator(true).build()?.compile_matcher();
    Ok((dir.join(base), matcher))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Watches a folder with a manifest and `src/**`, without the watcher of the system.
    fn polling(folder: &Path, silent: bool) -> (Watch, Polled) {
        std::fs::create_dir(folder.join("src")).unwrap();
        let text = "app = { name = 'a', route-selection-expression = 'x' }\ncomponents.c = { source = 'c', build = \
                    'true', watch = ['src/**'] }\nroutes.x.component = 'c'\n";
        std::fs::write(folder.join(Manifest::FILE), text).unwrap();
        let (rules, folders) = Rules::new(&Manifest::load(folder).unwrap()).unwrap();
        let failing = |_| Err(notify::Error::new(notify::ErrorKind::MaxFilesWatch));
        let period = Duration::from_millis(5);
        match silent {
            true => {
                let mute = |_| notify::recommended_watcher(|_| ());
                Watch::start(rules, &folders, period, mute, |_| Some("a test".to_owned()))
            }
            false => Watch::start(rules, &folders, period, failing, |_| None),
        }
    }

    #[tokio::test]
    async fn changes_that_are_not_notified_are_found() {
        for silent in [true, false] {
            let folder = tempfile::tempdir().unwrap();
            let (mut watch, polled) = polling(folder.path(), silent);
            assert_eq!(polled.len(), 2, "{polled:?}");
            assert!(polled.values().all(|reason| reason.contains("test") == silent), "{polled:?}");
            std::fs::write(folder.path().join("src/lib.rs"), "a").unwrap();
            let changes = watch.next().await;
            assert_eq!(changes, Changes { components: ["c".to_owned()].into(), ..Changes::default() });
            std::fs::write(folder.path().join(".env"), "A=b").unwrap();
            assert_eq!(watch.next().await, Changes { config: true, ..Changes::default() });
        }
    }

    #[test]
    fn globs_are_watched_from_the_folder_before_their_first_pattern() {
        for (glob, folder, file) in [
            ("chat/src/**", "/a[p]p/chat/src", "/a[p]p/chat/src/lib.rs"),
            ("./src/**/*.rs", "/a[p]p/src", "/a[p]p/src/deep/er/lib.rs"),
            ("*/src/lib.rs", "/a[p]p/", "/a[p]p/chat/src/lib.rs"),
            ("../shared/{a,b}.rs", "/a[p]p/../shared", "/a[p]p/../shared/b.rs"),
            ("src/lib.rs", "/a[p]p/src", "/a[p]p/src/lib.rs"),
            ("/shared/**", "/shared", "/shared/lib.rs"),
        ] {
            let (found, matcher) = pattern(Path::new("/a[p]p"), glob).unwrap();
            assert_eq!(found, Path::new(folder), "{glob}");
            assert!(matcher.is_match(file), "{glob}");
            assert!(!matcher.is_match("/app/chat/src/lib.rs"), "{glob}");
        }
        assert!(pattern(Path::new("/app"), "src/[**").is_err());
    }
}
