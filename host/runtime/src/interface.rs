//! The rules for the imports and exports of components: the worlds of `tidegate:route`, and the grants of an app.
//!
//! The rules work on names, so that `tidegate check` applies them to a `.wasm` file and the host to a loaded artifact.

mod switches;

use std::fmt;

use tidegate_app::{App, Grants, toml_key};
use tidegate_diagnostic::Code;

/// The WIT package that routes are built against.
pub const WIT_PACKAGE: &str = "tidegate:route";
/// The version of the package. Components of another 0.1 patch load as well, because 0.1 only adds functions.
pub const WIT_VERSION: &str = "0.1.0";
/// The configuration interface, in the only version that the host offers.
const CONFIG: &str = "wasi:config/store@0.2.0-rc.1";
/// The WASI 0.2 packages that the host links, without authority.
const WASI: [&str; 6] = ["wasi:cli/", "wasi:clocks/", "wasi:filesystem/", "wasi:io/", "wasi:random/", "wasi:sockets/"];

/// The names, with versions, of the interfaces that a component imports and exports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interfaces {
    /// The imports, for example `tidegate:route/storage@0.1.0`.
    pub imports: Vec<String>,
    /// The exports, for example `tidegate:route/handler@0.1.0`.
    pub exports: Vec<String>,
}

/// The role in which a component is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A route, which exports `handler`.
    Route,
    /// The authorizer, which exports `connect-authorizer`.
    Authorizer,
}

impl Role {
    fn interface(self) -> &'static str {
        match self {
            Self::Route => "handler",
            Self::Authorizer => "connect-authorizer",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Route => "route",
            Self::Authorizer => "authorizer",
        })
    }
}

/// The reason why a component cannot serve a route or the authorizer. The text completes "component `chat` …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Incompatibility {
    /// The component exports nothing that the host could call.
    #[error("exports neither `tidegate:route/handler` nor `tidegate:route/connect-authorizer`, but {exports}")]
    WrongWorld {
        /// The names of its exports.
        exports: String,
    },
    /// The component does not export the interface of its role.
    #[error("does not export `tidegate:route/{}`, which a component needs as the {role}", role.interface())]
    WrongRole {
        /// The role that the manifest gives it.
        role: Role,
    },
    /// The component was built against another version of the WIT package.
    #[error("was built against `{interface}`, but this host speaks `tidegate:route@{WIT_VERSION}`")]
    WrongVersion {
        /// The interface with its version.
        interface: String,
    },
    /// The component imports an interface that no host of this version offers.
    #[error("imports `{interface}`, which this host does not offer")]
    UnknownImport {
        /// The interface with its version.
        interface: String,
    },
    /// The component imports an interface that no use of it is granted.
    #[error("imports `{interface}`, but no use of the component is granted any of it")]
    MissingGrant {
        /// The interface with its version.
        interface: String,
        /// A line of the manifest that grants some of it.
        example: &'static str,
    },
    /// The component imports an interface that an authorizer cannot be granted, and only the authorizer uses the
    /// component.
    #[error("imports `{interface}`, which an authorizer cannot be granted")]
    NotForAuthorizer {
        /// The interface with its version.
        interface: String,
    },
    /// The component needs more than a pool slot holds.
    #[error("needs {needed} {what}, but the host has room for {limit}")]
    TooLarge {
        /// The kind of resource, for example `tables`.
        what: &'static str,
        /// The number that the component needs.
        needed: u64,
        /// The number that a slot holds.
        limit: u64,
    },
    /// The component exceeds another limit of a pool slot, which Wasmtime's text names.
    #[error("is larger than an instance can be: {0}")]
    AbovePool(String),
    /// The component's linear memory starts above the route's limit.
    #[error("starts with {needed} bytes of memory, above the limit of {limit}")]
    MemoryLimit {
        /// The initial size in bytes.
        needed: u64,
        /// The route's limit in bytes.
        limit: u64,
    },
    /// The component does not link against the host.
    #[error("does not link: {0}")]
    Link(String),
    /// The release has no artifact of the component.
    #[error("has no artifact in the release")]
    NoArtifact,
}

/// A use of a component that is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: component `{component}` {reason}")]
pub struct Refusal {
    /// The table of the manifest, for example `routes.chat`, `authorizer` or `components.chat`.
    pub place: String,
    /// The component's name.
    pub component: String,
    /// The reason for the refusal.
    pub reason: Incompatibility,
}

/// One use of a component by an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentUse<'a> {
    /// The table of the manifest, for example `routes.chat` or `authorizer`.
    pub place: String,
    /// The role in which the component is called.
    pub role: Role,
    /// The resolved grants.
    pub grants: &'a Grants,
}

/// Returns the uses of a component: the routes in the order of their keys, then the authorizer.
#[must_use]
pub fn component_uses<'a>(app: &'a App, component: &str) -> Vec<ComponentUse<'a>> {
    let routes = app.routes.iter().filter(|(_, route)| route.component == component);
    let routes = routes.map(|(key, route)| ComponentUse {
        place: format!("routes.{}", toml_key(key.as_str())),
        role: Role::Route,
        grants: &route.grants,
    });
    let authorizer = app.authorizer.iter().filter(|authorizer| authorizer.component == component);
    let authorizer = authorizer.map(|authorizer| ComponentUse {
        place: "authorizer".to_owned(),
        role: Role::Authorizer,
        grants: &authorizer.grants,
    });
    routes.chain(authorizer).collect()
}

impl Incompatibility {
    /// Returns the stable code of this kind of failure.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::WrongWorld { .. } => Code::ComponentWorldWrong,
            Self::WrongRole { .. } => Code::ComponentRoleWrong,
            Self::WrongVersion { .. } => Code::ComponentVersionUnsupported,
            Self::UnknownImport { .. } => Code::ComponentImportUnknown,
            Self::MissingGrant { .. } => Code::ComponentGrantMissing,
            Self::NotForAuthorizer { .. } => Code::ComponentGrantImpossible,
            Self::TooLarge { .. } | Self::AbovePool(_) => Code::ComponentTooLarge,
            Self::MemoryLimit { .. } => Code::ComponentMemoryAboveLimit,
            Self::Link(_) => Code::ComponentLink,
            Self::NoArtifact => Code::ComponentArtifactMissing,
        }
    }

    /// Returns the remedy, if one is known.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::WrongWorld { .. } => {
                return Some(format!(
                    "build it for the world `route` or `authorizer` of `tidegate:route@{WIT_VERSION}`"
                ));
            }
            Self::UnknownImport { interface } => return Some(switches::hint(interface)),
            Self::MissingGrant { example, .. } => {
                return Some(format!("add `{example}` to a route that uses the component"));
            }
            Self::WrongRole { .. } => "name another component there, or export the interface from this one",
            Self::WrongVersion { .. } => "rebuild it with the WIT of this host, or run a host that speaks that version",
            Self::NotForAuthorizer { .. } => {
                "build it for the world `authorizer`, whose one import is `wasi:config/store`"
            }
            Self::TooLarge { .. } | Self::AbovePool(_) => {
                "compose fewer parts into the component, or serve them from components of their own; link large C and \
                 C++ programs with `-Wl,--gc-sections`"
            }
            Self::MemoryLimit { .. } => "raise `limits.memory`",
            Self::Link(_) => "build it with the WIT package of this host, and for WASI 0.2",
            Self::NoArtifact => return None,
        };
        Some(hint.to_owned())
    }
}

impl Interfaces {
    /// Checks that the component belongs to a world and a version that the host speaks.
    ///
    /// # Errors
    /// The first problem found.
    pub fn check_world(&self) -> Result<(), Incompatibility> {
        let ours = self.exports.iter().chain(&self.imports).filter(|name| package(name) == WIT_PACKAGE);
        for name in ours {
            if !speaks(name) {
                return Err(Incompatibility::WrongVersion { interface: name.clone() });
            }
        }
        if !self.exports(Role::Route) && !self.exports(Role::Authorizer) {
            return Err(Incompatibility::WrongWorld { exports: list(&self.exports) });
        }
        match self.imports.iter().find(|name| !offered(name)) {
            Some(name) => Err(Incompatibility::UnknownImport { interface: name.clone() }),
            None => Ok(()),
        }
    }

    /// Returns true if the component can be called in this role.
    #[must_use]
    pub fn exports(&self, role: Role) -> bool {
        self.exports.iter().any(|name| speaks(name) && interface(name) == role.interface())
    }

    /// Checks all uses of the component `name`. The result is empty if there is no problem.
    ///
    /// Every import must be granted to at least one use. A component that serves several routes does not need every
    /// grant on each of them, because a call without the grant returns `forbidden`.
    #[must_use]
    pub fn check_uses(&self, name: &str, uses: &[ComponentUse<'_>]) -> Vec<Refusal> {
        let refusal = |place: &str, reason| Refusal { place: place.to_owned(), component: name.to_owned(), reason };
        if let Err(problem) = self.check_world() {
            return uses.iter().map(|it| refusal(&it.place, problem.clone())).collect();
        }
        let wrong = uses.iter().filter(|it| !self.exports(it.role));
        let mut refusals: Vec<_> =
            wrong.map(|it| refusal(&it.place, Incompatibility::WrongRole { role: it.role })).collect();
        let place = match uses {
            [] => return refusals,
            [only] => only.place.clone(),
            _ => format!("components.{}", toml_key(name)),
        };
        let only_authorizer = uses.iter().all(|it| it.role == Role::Authorizer);
        for import in &self.imports {
            let Some(example) = missing_grant(import, uses) else { continue };
            if !only_authorizer || import == CONFIG {
                let interface = import.clone();
                refusals.push(refusal(&place, Incompatibility::MissingGrant { interface, example }));
            } else if !self.exports(Role::Route) {
                // A component that is also built as a route keeps the imports of routes. As the authorizer it is
                // granted none of them, and each call returns `forbidden`.
                refusals.push(refusal(&place, Incompatibility::NotForAuthorizer { interface: import.clone() }));
            }
        }
        refusals
    }
}

/// Returns an example of the grant that `import` needs if no use has one.
fn missing_grant(import: &str, uses: &[ComponentUse<'_>]) -> Option<&'static str> {
    let interface = if package(import) == WIT_PACKAGE { interface(import) } else { import };
    let (example, granted): (_, fn(&Grants) -> bool) = match interface {
        "storage" => (r#"grants.storage = { NAME = "read-write" }"#, |grants| !grants.storage.is_empty()),
        "connections" => (r#"grants.connections = { groups = ["NAME"] }"#, |grants| grants.connections.is_some()),
        "messaging" => (r#"grants.messaging = { send = "self" }"#, |grants| grants.messaging.is_some()),
        CONFIG => (r#"grants.config = ["NAME"]"#, |grants| !grants.config.is_empty()),
        _ => return None,
    };
    let covered = uses.iter().any(|it| granted(it.grants));
    (!covered).then_some(example)
}

fn offered(import: &str) -> bool {
    if package(import) == WIT_PACKAGE {
        return matches!(interface(import), "types" | "storage" | "connections" | "messaging");
    }
    let wasi = WASI.iter().any(|package| import.starts_with(package));
    // A draft such as 0.2.0-rc-2023-12-05 has other functions.
    import == CONFIG || (wasi && version(import).starts_with("0.2.") && !version(import).contains('-'))
}

fn speaks(name: &str) -> bool {
    package(name) == WIT_PACKAGE && version(name).starts_with("0.1.")
}

/// Returns `tidegate:route` for `tidegate:route/handler@0.1.0`.
fn package(name: &str) -> &str {
    name.split_once('/').map_or("", |(package, _)| package)
}

/// Returns `handler` for `tidegate:route/handler@0.1.0`.
fn interface(name: &str) -> &str {
    let name = name.split_once('/').map_or(name, |(_, interface)| interface);
    name.split_once('@').map_or(name, |(interface, _)| interface)
}

/// Returns `0.1.0` for `tidegate:route/handler@0.1.0`.
fn version(name: &str) -> &str {
    name.split_once('@').map_or("", |(_, version)| version)
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        return "nothing".to_owned();
    }
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
