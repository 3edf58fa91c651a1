//! The files that an app is made from, and which of them have changed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{self, Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use globset::{GlobBuilder, GlobMatcher};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tidegate_app::{Component, Manifest, toml_key};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::Instant;

use crate::build;
use crate::dev::config;

/// How long nothing must change before a build begins: an editor writes a file in several steps, and several files.
const QUIET: Duration = Duration::from_millis(100);
/// What makes a pattern of a path.
const PATTERN: [char; 4] = ['*', '?', '[', '{'];

/// A watch over the files of a manifest.
pub(crate) struct Watch {
    rules: Rules,
    paths: UnboundedReceiver<PathBuf>,
    /// It ends when this is dropped.
    _watcher: RecommendedWatcher,
}

/// What has changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// The manifest.
    pub(crate) manifest: bool,
    /// The `.env` file.
    pub(crate) config: bool,
    /// The components of which a file has changed.
    pub(crate) components: BTreeSet<String>,
}

impl Changes {
    /// Whether nothing has changed.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Both these changes and `others`.
    pub(crate) fn add(&mut self, others: Self) {
        self.manifest |= others.manifest;
        self.config |= others.config;
        self.components.extend(others.components);
    }
}

/// Which path means which change.
struct Rules {
    manifest: PathBuf,
    config: PathBuf,
    /// What Tidegate itself writes.
    state_dir: PathBuf,
    /// The components that are built elsewhere.
    sources: Vec<(String, PathBuf)>,
    globs: Vec<(String, GlobMatcher)>,
}

impl Watch {
    /// Watches the manifest, the `.env` file beside it, the files of each component's `watch`, and the components that
    /// are built elsewhere.
    ///
    /// # Errors
    /// When a pattern is none, or the system does not watch a folder.
    pub(crate) fn new(manifest: &Manifest) -> Result<Self> {
        let (changed, paths) = unbounded_channel();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // An event that was lost costs one more change of the file.
            let Ok(event) = event else { return };
            if matches!(event.kind, EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_)) {
                // It fails when nobody watches any more.
                event.paths.into_iter().for_each(|path| drop(changed.send(path)));
            }
        })
        .context("cannot watch files")?;
        let (rules, folders) = Rules::new(manifest)?;
        for (folder, mode) in folders {
            let watched = watcher.watch(&folder, mode);
            watched.with_context(|| format!("cannot watch the folder `{}`", folder.display()))?;
        }
        Ok(Self { rules, paths, _watcher: watcher })
    }

    /// Waits for a change, and then until nothing changes any more.
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
                // What belongs to nothing does not count: a log beside the sources may never be quiet.
                Some(path) if self.rules.apply(&path, &mut changes) => quiet = Some(Instant::now() + QUIET),
                Some(_) => {}
                // The watcher lives as long as this does.
                None => std::future::pending().await,
            }
        }
    }

    /// What it has seen and nobody has asked for.
    pub(crate) fn rest(&mut self) -> Changes {
        let mut changes = Changes::default();
        while let Ok(path) = self.paths.try_recv() {
            self.rules.apply(&path, &mut changes);
        }
        changes
    }
}

impl Rules {
    /// The rules, and the folders in which what they are about can be.
    fn new(manifest: &Manifest) -> Result<(Self, BTreeMap<PathBuf, RecursiveMode>)> {
        let mut rules = Self {
            manifest: manifest.file.clone(),
            config: config::env_file(manifest),
            state_dir: build::state_dir(manifest),
            sources: Vec::new(),
            globs: Vec::new(),
        };
        let mut folders = BTreeMap::from([(manifest.dir.clone(), RecursiveMode::NonRecursive)]);
        for Component { name, source, build, watch, .. } in &manifest.components {
            if build.is_none() {
                // Without `.`, as events name files.
                let source: PathBuf = source.components().collect();
                let folder = source.parent().unwrap_or(&source).to_owned();
                folders.entry(folder).or_insert(RecursiveMode::NonRecursive);
                rules.sources.push((name.clone(), source));
            }
            for glob in watch {
                let (folder, matcher) = pattern(&manifest.dir, glob).with_context(|| {
                    let key = format!("components.{}.watch", toml_key(name));
                    format!("{}: {key}: `{glob}` is no pattern of files", manifest.file.display())
                })?;
                folders.insert(folder, RecursiveMode::Recursive);
                rules.globs.push((name.clone(), matcher));
            }
        }
        // What is not there cannot be watched; a build command may make it, which does not count as a change.
        folders.retain(|folder, _| folder.is_dir());
        Ok((rules, folders))
    }

    /// Adds what a change of `path` means, and says whether it means anything.
    fn apply(&self, path: &Path, changes: &mut Changes) -> bool {
        // A build writes there itself.
        if path.starts_with(&self.state_dir) {
            return false;
        }
        let (manifest, config) = (path == self.manifest, path == self.config);
        let sources = self.sources.iter().filter(|(_, source)| source == path).map(|(name, _)| name);
        let globs = self.globs.iter().filter(|(_, glob)| glob.is_match(path)).map(|(name, _)| name);
        let components: BTreeSet<String> = sources.chain(globs).cloned().collect();
        let more = Changes { manifest, config, components };
        let any = !more.is_empty();
        changes.add(more);
        any
    }
}

/// The folder that is before the first pattern of a glob, and what matches its files. `dir` is what it is relative to.
fn pattern(dir: &Path, glob: &str) -> Result<(PathBuf, GlobMatcher), globset::Error> {
    // Without `.`, as events name files.
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

    #[test]
    fn a_glob_is_looked_for_in_the_folder_before_its_pattern() {
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
