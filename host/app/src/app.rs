//! The resolved app, the content of `app.json`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};
use tidegate_event::RouteKey;

use crate::error::Error;
use crate::grants::Grants;
use crate::identity_source::IdentitySource;
use crate::limits::Limits;
use crate::problem::Problem;
use crate::tree::Node;
use crate::validate;

/// A resolved app: a manifest without the build settings, with every default filled in.
///
/// ```
/// use std::path::Path;
/// use tidegate_app::App;
///
/// let json = br#"{
///     "name": "echo",
///     "route-selection-expression": "$request.body.action",
///     "components": ["echo"],
///     "routes": { "$default": { "component": "echo", "response": true } }
/// }"#;
/// let app = App::from_json(Path::new("app.json"), json)?;
/// assert_eq!(app.routes["$default"].limits.memory, 64 << 20);
/// # Ok::<(), tidegate_app::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "an object")]
pub struct App {
    /// The app's name, 1 to 64 letters, digits, `-` and `_`. A manifest allows the names of [`rules`](crate::rules).
    pub name: String,
    /// The route selection expression of API Gateway, for example `$request.body.action`.
    pub route_selection_expression: String,
    /// The names of the components.
    pub components: BTreeSet<String>,
    /// The routes by route key, including `$connect`, `$disconnect` and `$default` if the app has them.
    pub routes: BTreeMap<RouteKey, Route>,
    /// The authorizer of `$connect`; `None` allows every client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorizer: Option<Authorizer>,
}

impl App {
    /// Returns the names of the components that the routes and the authorizer use.
    ///
    /// They are all components, unless routes were removed from the app after its validation.
    #[must_use]
    pub fn used(&self) -> BTreeSet<String> {
        let routes = self.routes.values().map(|route| route.component.clone());
        routes.chain(self.authorizer.iter().map(|authorizer| authorizer.component.clone())).collect()
    }

    /// Returns the names of the configuration values that a route or the authorizer is granted.
    #[must_use]
    pub fn config_names(&self) -> BTreeSet<String> {
        let routes = self.routes.values().map(|route| &route.grants);
        let grants = routes.chain(self.authorizer.iter().map(|authorizer| &authorizer.grants));
        grants.flat_map(|grants| grants.config.iter().cloned()).collect()
    }

    /// Returns the text of `app.json`. Equal apps have equal texts.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Every key is a string and every value has a JSON form, so this cannot fail.
        let mut json = serde_json::to_string_pretty(self).unwrap_or_default();
        json.push('\n');
        json
    }

    /// Reads and validates the text of an `app.json`. `file` is the path that errors name.
    ///
    /// # Errors
    /// - [`Error::Syntax`] if the text is not JSON
    /// - [`Error::Key`] if a key is missing, unknown, or has a value that is not allowed
    pub fn from_json(file: &Path, json: &[u8]) -> Result<Self, Error> {
        let app: Self = serde_json::from_slice(json).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => explain(json, &error).in_file(file),
            _ => syntax(file, &error),
        })?;
        app.validate(file)?;
        Ok(app)
    }

    /// Checks the rules that an app as a whole obeys. `file` is the path that errors name.
    ///
    /// # Errors
    /// [`Error::Key`] with the first violation.
    pub fn validate(&self, file: &Path) -> Result<(), Error> {
        validate::app(self, "").map_err(|problem| problem.in_file(file))
    }
}

/// Finds the code and the key of an error of serde_json, which has text only.
fn explain(json: &[u8], error: &serde_json::Error) -> Problem {
    let problem = serde_json::from_slice::<Node>(json).ok().and_then(|node| App::deserialize(node).err());
    problem.unwrap_or_else(|| serde::de::Error::custom(error)).at_line(Some(error.line()))
}

fn syntax(file: &Path, error: &serde_json::Error) -> Error {
    let text = error.to_string();
    // The error has a field for the line.
    let position = format!(" at line {} column {}", error.line(), error.column());
    let problem = text.strip_suffix(&position).unwrap_or(&text).to_owned();
    Error::Syntax { file: file.to_owned(), line: error.line(), problem }
}

/// A route: a component with its grants and limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a table")]
pub struct Route {
    /// The name of a component.
    pub component: String,
    /// True if the route is two-way: the client receives the reply, or an error frame.
    #[serde(default)]
    pub response: bool,
    /// The operations that the component may call on this route.
    #[serde(default)]
    pub grants: Grants,
    /// The resources that one event may use.
    #[serde(default)]
    pub limits: Limits,
}

/// The authorizer of `$connect`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a table")]
pub struct Authorizer {
    /// The name of a component that exports `connect-authorizer`.
    pub component: String,
    /// The values that must be present and not empty before the authorizer is called. Otherwise the client receives
    /// 401. An empty list always calls the authorizer.
    pub identity_source: Vec<IdentitySource>,
    /// The configuration values that the authorizer may read. An authorizer can be granted `config` only.
    #[serde(default)]
    pub grants: Grants,
    /// The resources that one call may use.
    #[serde(default)]
    pub limits: Limits,
}
