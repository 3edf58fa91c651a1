//! The manifest, `tidegate.toml`: an app, and the builds of its components.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tidegate_diagnostic::Code;
use tidegate_event::RouteKey;
use tidegate_files::Links;
use toml::de::DeTable;

use crate::app::{App, Authorizer, Route};
use crate::deployable;
use crate::error::Error;
use crate::grants::Grants;
use crate::inheritance::GrantOverrides;
use crate::keys::{Key, Keys};
use crate::limits::Limits;
use crate::problem::{Problem, key};
use crate::rules;
use crate::tree::Node;
use crate::validate;

/// The maximum size of a manifest, in bytes. One of 300 routes has a tenth of it.
const MAX_MANIFEST_BYTES: u64 = 1 << 20;

/// A valid manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Manifest {
    /// The absolute path of the manifest.
    pub file: PathBuf,
    /// The absolute path of the manifest's folder, in which build commands run.
    pub dir: PathBuf,
    /// The components, sorted by name.
    pub components: Vec<Component>,
    /// Configuration values for development, by name.
    pub config: BTreeMap<String, String>,
    app: App,
    keys: Keys,
}

/// A component and its build.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Component {
    /// The key of the table, for example `chat` in `[components.chat]`.
    pub name: String,
    /// The absolute path of the `.wasm` file.
    pub source: PathBuf,
    /// The command that builds the file; `None` if the file is not built.
    pub build: Option<String>,
    /// Globs, relative to the manifest's folder, of the files whose change requires a new build.
    pub watch: Vec<String>,
}

impl Manifest {
    /// The name of a manifest in the folder of an app.
    pub const FILE: &str = "tidegate.toml";

    /// Reads and validates a manifest. `path` is the file or its folder.
    ///
    /// # Errors
    /// - [`Error::NotFound`] or [`Error::Io`] if the file cannot be read
    /// - [`Error::Syntax`] if it is not TOML
    /// - [`Error::Key`] if a key is missing, unknown, or has a value that is not allowed
    pub fn load(path: &Path) -> Result<Self, Error> {
        let is_folder = path.is_dir();
        let file = if is_folder { path.join(Self::FILE) } else { path.to_owned() };
        let file = std::path::absolute(&file).map_err(|source| Error::Io { path: file, source })?;
        // A manifest that the user names may be a link to anywhere, and one that is found in a folder may not.
        let links = if is_folder { Links::Within(path) } else { Links::Follow };
        let text =
            tidegate_files::read_text(&file, MAX_MANIFEST_BYTES, links).map_err(|source| match source.kind() {
                io::ErrorKind::NotFound => Error::NotFound { path: file.clone() },
                _ => Error::Io { path: file.clone(), source },
            })?;
        let tables = parse(&file, &text)?;
        Self::resolve(file.clone(), tables).map_err(|problem| problem.in_file(&file))
    }

    /// Returns the app's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.app.name
    }

    /// Returns the resolved app.
    #[must_use]
    pub fn app(&self) -> App {
        self.app.clone()
    }

    /// Returns the keys that sign releases of the app, with the stages that trust each.
    ///
    /// Keys are not part of the app, so a change of the keys does not change the id of a release.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    fn resolve(file: PathBuf, tables: Tables) -> Result<Self, Problem> {
        let components = &tables.components;
        for (name, component) in components {
            validate::grants(&component.grants, &["components", name, "grants"])?;
            deployable::grants(&component.grants, &["components", name, "grants"])?;
        }
        let app = App {
            name: tables.app.name,
            route_selection_expression: tables.app.route_selection_expression,
            components: components.keys().cloned().collect(),
            routes: tables.routes.into_iter().map(|(key, table)| (key, table.resolve(components))).collect(),
            authorizer: tables.authorizer,
        };
        deployable::name(&rules::APP, &app.name, || "app.name".to_owned())?;
        validate::app(&app, "app.")?;
        deployable::app(&app)?;
        for name in tables.config.keys() {
            deployable::name(&rules::CONFIG, name, || key(&["config", name]))?;
        }
        check_inherited(&app, components)?;
        tables.keys.iter().try_for_each(|(name, key)| check_key(name, key))?;
        let dir = file.parent().map(Path::to_owned).unwrap_or_default();
        let components = tables.components.into_iter().map(|(name, table)| table.resolve(name, &dir));
        let components = components.collect::<Result<_, _>>()?;
        Ok(Self { dir, components, config: tables.config, app, keys: Keys(tables.keys), file })
    }
}

/// Checks that some route inherits the grants of each component.
fn check_inherited(app: &App, components: &BTreeMap<String, ComponentTable>) -> Result<(), Problem> {
    let is_inherited = |component: &str| app.routes.values().any(|route| route.component == component);
    match components.iter().find(|(name, table)| table.grants != Grants::default() && !is_inherited(name)) {
        Some((name, _)) => {
            let problem = "no route uses the component, and the authorizer does not inherit grants";
            Err(Problem::new(Code::GrantUnused, key(&["components", name, "grants"]), problem)
                .hint("move the grants to `[authorizer]`"))
        }
        None => Ok(()),
    }
}

fn check_key(name: &str, table: &Key) -> Result<(), Problem> {
    validate::name(name, || key(&["keys", name]))?;
    table.stages.iter().try_for_each(|stage| validate::stage(stage, || key(&["keys", name, "stages"])))
}

fn parse(file: &Path, text: &str) -> Result<Tables, Error> {
    let table = DeTable::parse(text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        let line = text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1;
        Error::Syntax { file: file.to_owned(), line, problem: error.message().to_owned() }
    })?;
    Tables::deserialize(Node::from_toml(text, table)).map_err(|problem| problem.in_file(file))
}

/// The manifest of an app, `tidegate.toml`.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(title = "tidegate.toml"))]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(crate) struct Tables {
    /// The app's name and its route selection.
    app: AppTable,
    /// The components by name.
    #[serde(default)]
    components: BTreeMap<String, ComponentTable>,
    /// The routes by route key: a result of the route selection expression, `$connect`, `$disconnect` or `$default`.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "BTreeMap<String, RouteTable>"))]
    routes: BTreeMap<RouteKey, RouteTable>,
    /// The authorizer of `$connect`. Without an authorizer, every client is allowed.
    authorizer: Option<Authorizer>,
    /// Configuration values for development, by name. Deployed functions read their values from AWS instead.
    #[serde(default)]
    config: BTreeMap<String, String>,
    /// The public keys that can sign releases, by name.
    #[serde(default)]
    keys: BTreeMap<String, Key>,
}

/// The app's name and its route selection.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a table")]
struct AppTable {
    /// The app's name, 1 to 64 letters, digits and `-` that begin with a letter. It is part of the stack's name.
    #[cfg_attr(test, schemars(regex(pattern = "^[A-Za-z][A-Za-z0-9-]{0,63}$")))]
    name: String,
    /// API Gateway's route selection expression, for example `$request.body.action`.
    route_selection_expression: String,
}

/// A component and its build.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table")]
struct ComponentTable {
    /// The `.wasm` file, relative to the manifest's folder.
    source: PathBuf,
    /// The command that builds the file. A shell (`sh`) runs it in the manifest's folder.
    build: Option<String>,
    /// Globs, relative to the manifest's folder, of the files that the build reads. `tidegate dev` watches them.
    #[serde(default)]
    watch: Vec<String>,
    /// The grants that every route of this component inherits. The authorizer inherits nothing.
    #[serde(default)]
    grants: Grants,
}

impl ComponentTable {
    fn resolve(self, name: String, dir: &Path) -> Result<Component, Problem> {
        let empty = |field: &str, hint: &str| {
            let at = key(&["components", &name, field]);
            Problem::new(Code::ManifestValueInvalid, at, "the text is empty").hint(hint)
        };
        if self.source.as_os_str().is_empty() {
            return Err(empty("source", "name a `.wasm` file"));
        }
        if self.build.as_ref().is_some_and(|build| build.trim().is_empty()) {
            return Err(empty("build", "remove the key"));
        }
        Ok(Component { source: dir.join(self.source), name, build: self.build, watch: self.watch })
    }
}

/// A route: a component with its grants and limits.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table")]
struct RouteTable {
    /// The name of a component. Several routes can share one.
    component: String,
    /// True if the route is two-way: the client receives the reply, or an error frame.
    #[serde(default)]
    response: bool,
    /// The grants of the route. Each kind replaces that of the component, and `false` removes it.
    #[serde(default)]
    grants: GrantOverrides,
    /// The resources that one event may use.
    #[serde(default)]
    limits: Limits,
}

impl RouteTable {
    fn resolve(self, components: &BTreeMap<String, ComponentTable>) -> Route {
        // The validation of the app reports a component that does not exist.
        let inherited = components.get(&self.component).map(|component| component.grants.clone()).unwrap_or_default();
        Route {
            grants: self.grants.resolve(&inherited),
            component: self.component,
            response: self.response,
            limits: self.limits,
        }
    }
}
