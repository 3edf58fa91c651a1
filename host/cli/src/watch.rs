//! The files that an app is made from, and which of them have changed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use globset::{GlobBuilder, GlobMatcher};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tidegate_release::{Manifest, toml_key};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::config;

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
    components: Vec<(String, GlobMatcher)>,
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
        loop {
            let path = if changes == Changes::default() {
                // The watcher lives as long as this does.
                self.paths.recv().await
            } else {
                match tokio::time::timeout(QUIET, self.paths.recv()).await {
                    Ok(path) => path,
                    Err(_) => return changes,
                }
            };
            match path {
                Some(path) => self.rules.apply(&path, &mut changes),
                None => std::future::pending().await,
            }
        }
    }
}

impl Rules {
    /// The rules, and the folders in which what they are about can be.
    fn new(manifest: &Manifest) -> Result<(Self, BTreeMap<PathBuf, RecursiveMode>)> {
        let mut folders = BTreeMap::from([(manifest.dir.clone(), RecursiveMode::NonRecursive)]);
        let mut components = Vec::new();
        for component in &manifest.components {
            let mut patterns: Vec<_> = component.watch.iter().map(|glob| manifest.dir.join(glob)).collect();
            if component.build.is_none() {
                patterns.push(component.source.clone());
            }
            for pattern in patterns {
                let text = pattern.to_string_lossy();
                let glob = GlobBuilder::new(&text).literal_separator(true).build().with_context(|| {
                    format!("{}: components.{}.watch", manifest.file.display(), toml_key(&component.name))
                })?;
                components.push((component.name.clone(), glob.compile_matcher()));
                let (folder, mode) = folder(&pattern);
                let watched = folders.entry(folder).or_insert(mode);
                if mode == RecursiveMode::Recursive {
                    *watched = mode;
                }
            }
        }
        let (manifest, config) = (manifest.file.clone(), config::env_file(manifest));
        // What is not there cannot be watched; a build command may make it, which does not count as a change.
        folders.retain(|folder, _| folder.is_dir());
        Ok((Self { manifest, config, components }, folders))
    }

    fn apply(&self, path: &Path, changes: &mut Changes) {
        changes.manifest |= path == self.manifest;
        changes.config |= path == self.config;
        let changed = self.components.iter().filter(|(_, glob)| glob.is_match(path));
        changes.components.extend(changed.map(|(name, _)| name.clone()));
    }
}

/// The folder that a pattern's files are in, and whether they may be in folders in it.
fn folder(pattern: &Path) -> (PathBuf, RecursiveMode) {
    let literal = |part: &std::path::Component<'_>| !part.as_os_str().to_string_lossy().contains(PATTERN);
    let base: PathBuf = pattern.components().take_while(literal).collect();
    if base == pattern {
        (base.parent().unwrap_or(&base).to_owned(), RecursiveMode::NonRecursive)
    } else {
        (base, RecursiveMode::Recursive)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_looked_for_in_the_folder_before_it() {
        for (pattern, base, mode) in [
            ("/app/chat/src/**", "/app/chat/src", RecursiveMode::Recursive),
            ("/app/*/src/lib.rs", "/app", RecursiveMode::Recursive),
            ("/app/../shared/{a,b}.rs", "/app/../shared", RecursiveMode::Recursive),
            ("/app/chat.wasm", "/app", RecursiveMode::NonRecursive),
        ] {
            assert_eq!(folder(Path::new(pattern)), (base.into(), mode), "{pattern}");
        }
    }
}
