//! The manifest, `tidegate.toml`: what an app is, and how its components are built.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::Deserialize;
use tidegate_event::RouteKey;

use crate::app::{App, Authorizer, Route};
use crate::error::Error;
use crate::keys::{Key, Keys};
use crate::problem::{Problem, key};
use crate::validate;

/// A manifest that holds: every name in it leads somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Manifest {
    /// The manifest's own path, absolute.
    pub file: PathBuf,
    /// The folder it is in, absolute; what a component's build runs in.
    pub dir: PathBuf,
    /// The components, by name in order.
    pub components: Vec<Component>,
    /// Configuration for development.
    pub config: BTreeMap<String, String>,
    app: App,
    keys: Keys,
}

/// How a component comes to be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Component {
    /// The name.
    pub name: String,
    /// The `.wasm` file, absolute.
    pub source: PathBuf,
    /// The command that makes it; without one it is there already.
    pub build: Option<String>,
    /// The files, as globs relative to the manifest's folder, whose change makes a new build.
    pub watch: Vec<String>,
}

impl Manifest {
    /// The manifest's name in an app's folder.
    pub const FILE: &str = "tidegate.toml";

    /// Read a manifest: `path` is the file, or the folder it is in.
    ///
    /// # Errors
    /// When it cannot be read, is no TOML, has an unknown key or a value that is not allowed, or names a component that
    /// it does not have. Each error says where, and a hint what to do if that is known.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let file = if path.is_dir() { path.join(Self::FILE) } else { path.to_owned() };
        let file = std::path::absolute(&file).map_err(Error::io("find", &file))?;
        let text = fs::read_to_string(&file).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => Error::NotFound {
                path: file.clone(),
                hint: format!("`{}` says what an app is; name it, or the folder it is in", Self::FILE),
            },
            _ => Error::Io { attempted: "read", path: file.clone(), source },
        })?;
        let tables = parse(&file, &text)?;
        Self::resolve(file.clone(), tables).map_err(|problem| problem.in_file(&file, None))
    }

    /// The app's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.app.name
    }

    /// The app, resolved.
    #[must_use]
    pub fn app(&self) -> App {
        self.app.clone()
    }

    /// The keys that sign releases of the app, with the stages that trust each.
    ///
    /// They are not part of the app: who may sign releases does not make another release.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    fn resolve(file: PathBuf, tables: Tables) -> Result<Self, Problem> {
        let app = App {
            name: tables.app.name,
            route_selection_expression: tables.app.route_selection_expression,
            components: tables.components.keys().cloned().collect(),
            routes: tables.routes,
            authorizer: tables.authorizer,
        };
        validate::app(&app, "app.")?;
        tables.keys.iter().try_for_each(|(name, key)| check_key(name, key))?;
        let dir = file.parent().map(Path::to_owned).unwrap_or_default();
        let components = tables.components.into_iter().map(|(name, table)| table.resolve(name, &dir));
        let components = components.collect::<Result<_, _>>()?;
        Ok(Self { dir, components, config: tables.config, app, keys: Keys(tables.keys), file })
    }
}

fn check_key(name: &str, table: &Key) -> Result<(), Problem> {
    validate::name(name, || key(&["keys", name]))?;
    table.stages.iter().try_for_each(|stage| validate::stage(stage, || key(&["keys", name, "stages"])))
}

fn parse(file: &Path, text: &str) -> Result<Tables, Error> {
    let line = |error: &toml::de::Error| {
        error.span().map(|span| text.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1)
    };
    let deserializer = toml::Deserializer::parse(text).map_err(|error| Error::Syntax {
        file: file.to_owned(),
        line: line(&error).unwrap_or(1),
        problem: error.message().to_owned(),
    })?;
    serde_path_to_error::deserialize(deserializer)
        .map_err(|error| Problem::from_serde(error.path(), error.inner().message()).in_file(file, line(error.inner())))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
struct Tables {
    app: AppTable,
    #[serde(default)]
    components: BTreeMap<String, ComponentTable>,
    #[serde(default)]
    routes: BTreeMap<RouteKey, Route>,
    authorizer: Option<Authorizer>,
    #[serde(default)]
    config: BTreeMap<String, String>,
    #[serde(default)]
    keys: BTreeMap<String, Key>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a table")]
struct AppTable {
    name: String,
    route_selection_expression: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
struct ComponentTable {
    source: PathBuf,
    build: Option<String>,
    #[serde(default)]
    watch: Vec<String>,
}

impl ComponentTable {
    fn resolve(self, name: String, dir: &Path) -> Result<Component, Problem> {
        if self.source.as_os_str().is_empty() {
            return Err(Problem::new(key(&["components", &name, "source"]), "is empty").hint("name a `.wasm` file"));
        }
        if self.build.as_ref().is_some_and(|build| build.trim().is_empty()) {
            return Err(Problem::new(key(&["components", &name, "build"]), "is empty").hint("remove it"));
        }
        Ok(Component { source: dir.join(self.source), name, build: self.build, watch: self.watch })
    }
}
