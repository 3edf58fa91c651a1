//! Names in a manifest or a `.env` file that nothing uses.

use std::collections::BTreeSet;
use std::time::Duration;

use tidegate_event::{RouteKey, SelectionExpression};

use crate::manifest::Manifest;
use crate::problem::key;
use crate::rules::{AUTHORIZER_SECONDS, FUNCTION_MEMORY, HOST_MEMORY, STAGES};

/// The configuration value that `tidegate token` reads, whether or not a route is granted it.
pub const JWT_SECRET: &str = "jwt-secret";
/// The least similarity of two names, from 0 to 1, at which one is suggested in place of the other.
const MIN_SIMILARITY: f64 = 0.8;

/// A name or a limit that has no effect.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unused {
    /// The name or the limit, its place, and the reason.
    pub text: String,
    /// A change that makes the name effective, or removes it.
    pub hint: String,
}

impl Manifest {
    /// Returns the names and limits in the manifest that have no effect: configuration values that no route is granted,
    /// routes that no message selects, mistyped stages of keys, and limits above those of the deployed functions.
    #[must_use]
    pub fn unused(&self) -> Vec<Unused> {
        [self.unused_config(), self.unselected_routes(), self.unknown_stages(), self.unreached_limits()].concat()
    }

    fn unreached_limits(&self) -> Vec<Unused> {
        let app = self.app();
        let [handler, authorizer] = FUNCTION_MEMORY.map(|mib| (mib - HOST_MEMORY) << 20);
        let routes = app.routes.iter().filter(|(_, route)| route.limits.memory > handler);
        let mut unreached: Vec<_> = routes
            .map(|(route, _)| (key(&["routes", route.as_str(), "limits", "memory"]), format!("{} MiB", handler >> 20)))
            .collect();
        if let Some(limits) = app.authorizer.map(|authorizer| authorizer.limits) {
            if limits.memory > authorizer {
                unreached.push(("authorizer.limits.memory".to_owned(), format!("{} MiB", authorizer >> 20)));
            }
            if limits.time > Duration::from_secs(AUTHORIZER_SECONDS) {
                unreached.push(("authorizer.limits.time".to_owned(), format!("{AUTHORIZER_SECONDS} s")));
            }
        }
        let unreached = unreached.into_iter().map(|(limit, most)| Unused {
            text: format!("`{limit}` in `{}` is above the {most} of a deployed function", self.place()),
            hint: "lower the limit, or raise the function's in `infra/tidegate_stack/functions.py`".to_owned(),
        });
        unreached.collect()
    }

    /// Returns the names of configuration values that something reads.
    #[must_use]
    pub fn read_config_names(&self) -> BTreeSet<String> {
        let mut names = self.app().config_names();
        names.insert(JWT_SECRET.to_owned());
        names
    }

    fn unused_config(&self) -> Vec<Unused> {
        let read = self.read_config_names();
        let unused = self.config.keys().filter(|name| !read.contains(*name));
        let unused = unused.map(|name| Unused {
            text: format!("`{}` in `{}` has no effect: no route is granted it", key(&["config", name]), self.place()),
            hint: nearest(name, &read).map_or_else(
                || "add the name to `grants.config` of a route, or remove the value".to_owned(),
                |nearest| format!("did you mean `{nearest}`?"),
            ),
        });
        unused.collect()
    }

    fn unselected_routes(&self) -> Vec<Unused> {
        let app = self.app();
        let Ok(expression) = SelectionExpression::parse(&app.route_selection_expression) else { return Vec::new() };
        // An expression without a path selects the same key for every text.
        let Some(selected) = expression.evaluate("not JSON") else { return Vec::new() };
        let is_selected =
            |key: &str| key == selected || [RouteKey::CONNECT, RouteKey::DISCONNECT, RouteKey::DEFAULT].contains(&key);
        let unselected = app.routes.keys().map(RouteKey::as_str).filter(|key| !is_selected(key));
        let unselected = unselected.map(|route| Unused {
            text: format!(
                "`{}` in `{}` has no effect: the route selection expression always selects `{selected}`",
                key(&["routes", route]),
                self.place()
            ),
            hint: "most apps use `$request.body.action`".to_owned(),
        });
        unselected.collect()
    }

    fn unknown_stages(&self) -> Vec<Unused> {
        let known: BTreeSet<String> = STAGES.map(str::to_owned).into();
        let mut unused = Vec::new();
        for (name, table) in &self.keys().0 {
            for stage in table.stages.iter().filter(|stage| !known.contains(*stage)) {
                // A stage of the user's own is not a mistake.
                let Some(nearest) = nearest(stage, &known) else { continue };
                unused.push(Unused {
                    text: format!(
                        "`{}` in `{}` names the stage `{stage}`, which the stack does not have",
                        key(&["keys", name, "stages"]),
                        self.place()
                    ),
                    hint: format!("did you mean `{nearest}`?"),
                });
            }
        }
        unused
    }

    fn place(&self) -> std::path::Display<'_> {
        self.file.display()
    }
}

/// Returns the configuration value that a name in a `.env` file sets: the value of that name, or else the value whose
/// name is the same in lower case with hyphens. Returns `None` if there is none of `known`.
///
/// ```
/// use tidegate_app::unused::config_name;
///
/// let known = ["api-key".to_owned(), "dbPassword".to_owned()].into();
/// assert_eq!(config_name("API_KEY", &known), Some("api-key"));
/// assert_eq!(config_name("dbPassword", &known), Some("dbPassword"));
/// assert_eq!(config_name("apiKey", &known), None);
/// ```
#[must_use]
pub fn config_name<'k>(name: &str, known: &'k BTreeSet<String>) -> Option<&'k str> {
    let conventional = conventional_name(name);
    let same = |known: &&String| conventional_name(known) == conventional;
    let found = known.get(name).or_else(|| known.get(&conventional)).or_else(|| known.iter().find(same));
    found.map(String::as_str)
}

/// Returns a name of a `.env` file in lower case with hyphens.
#[must_use]
pub fn conventional_name(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-")
}

/// Returns the names of a `.env` file that set none of `known`, and those that set a value again.
#[must_use]
pub fn env_names<'a>(names: impl Iterator<Item = &'a str>, known: &BTreeSet<String>) -> Vec<Unused> {
    let mut unused = Vec::new();
    let mut set = BTreeSet::new();
    for name in names {
        match config_name(name, known) {
            Some(value) if set.insert(value) => {}
            Some(value) => unused.push(Unused {
                text: format!("`.env` sets the configuration value `{value}` again, as `{name}`"),
                hint: "the last line counts; remove the others".to_owned(),
            }),
            None => unused.push(Unused {
                text: format!("`{name}` in `.env` has no effect: the app reads no such configuration value"),
                hint: match nearest(name, known) {
                    Some(nearest) => format!("did you mean `{}`?", env_name(nearest)),
                    None => "add the name to `grants.config` of a route, or remove the line".to_owned(),
                },
            }),
        }
    }
    unused
}

/// Returns the usual name in a `.env` file of a configuration value.
fn env_name(name: &str) -> String {
    match name.contains('.') {
        true => name.to_owned(),
        false => name.to_ascii_uppercase().replace('-', "_"),
    }
}

/// Returns the known name that is most similar to `name`. Case and the characters between words do not count.
fn nearest<'k>(name: &str, known: &'k BTreeSet<String>) -> Option<&'k str> {
    let letters = |name: &str| name.to_ascii_lowercase().replace(['-', '_', '.'], "");
    let name = letters(name);
    let similarity = |known: &str| strsim::jaro_winkler(&name, &letters(known));
    let known = known.iter().map(|known| (similarity(known), known.as_str()));
    let nearest = known.max_by(|(one, _), (other, _)| one.total_cmp(other));
    nearest.filter(|(similarity, _)| *similarity >= MIN_SIMILARITY).map(|(_, known)| known)
}
