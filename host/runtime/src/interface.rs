//! What a component imports and exports, held against the worlds of `tidegate:route` and a route's grants.
//!
//! The rules work on names, so that `tidegate check` applies them to a `.wasm` file and the host to a loaded artifact.

use std::fmt;

use tidegate_app::Grants;

/// The WIT package that routes are written against.
pub const WIT_PACKAGE: &str = "tidegate:route";
/// Its version. Components of another `0.1` patch load as well: within 0.1 functions are only added.
pub const WIT_VERSION: &str = "0.1.0";
/// The configuration interface, at the only version that is offered.
const CONFIG: &str = "wasi:config/store@0.2.0-rc.1";
/// The WASI 0.2 packages that are linked, without authority.
const WASI: [&str; 6] = ["wasi:cli/", "wasi:clocks/", "wasi:filesystem/", "wasi:io/", "wasi:random/", "wasi:sockets/"];

/// The names, with versions, of the interfaces that a component imports and exports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interfaces {
    /// Such as `tidegate:route/storage@0.1.0`.
    pub imports: Vec<String>,
    /// Such as `tidegate:route/handler@0.1.0`.
    pub exports: Vec<String>,
}

/// What a component is called as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A route: exports `handler`.
    Route,
    /// The authorizer: exports `connect-authorizer`.
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

/// Why a component cannot serve as it was asked to. The text completes "component `chat` …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Incompatibility {
    /// It exports nothing that the host could call.
    #[error(
        "exports neither `tidegate:route/handler` nor `tidegate:route/connect-authorizer`, but {exports}; hint: build it \
         for the world `route` or `authorizer` of `tidegate:route@{WIT_VERSION}`"
    )]
    WrongWorld {
        /// What it exports instead.
        exports: String,
    },
    /// It is of the other world.
    #[error(
        "does not export `tidegate:route/{}`, which a component needs as the {role}; hint: name another component there, \
         or export it from this one",
        role.interface()
    )]
    WrongRole {
        /// What it was to be called as.
        role: Role,
    },
    /// It was built against another version of the WIT package.
    #[error(
        "was built against `{interface}`, but this host speaks `tidegate:route@{WIT_VERSION}`; hint: rebuild it with the \
         WIT of this host, or run a host that speaks that version"
    )]
    WrongVersion {
        /// The interface with its version.
        interface: String,
    },
    /// It needs what no host of this version offers.
    #[error(
        "imports `{interface}`, which this host does not offer; hint: a component may import WASI 0.2 and the interfaces of \
         `tidegate:route@{WIT_VERSION}`: leave out the dependency that calls this one"
    )]
    UnknownImport {
        /// The interface with its version.
        interface: String,
    },
    /// It imports an interface of which the route was granted nothing.
    #[error("imports `{interface}`, but the {role} is granted nothing of it; hint: add `{hint}`")]
    MissingGrant {
        /// The interface with its version.
        interface: String,
        /// What it was to be called as.
        role: Role,
        /// A line of the manifest that would grant something.
        hint: &'static str,
    },
    /// It imports an interface that can never be granted to an authorizer.
    #[error(
        "imports `{interface}`, which an authorizer cannot be granted; hint: build it for the world `authorizer`, whose one \
         import is `wasi:config/store`"
    )]
    NotForAuthorizer {
        /// The interface with its version.
        interface: String,
    },
    /// It needs more than a pool slot holds.
    #[error(
        "needs {needed} {what}, but the host has room for {limit}; hint: split the component, or use a smaller tool chain"
    )]
    TooLarge {
        /// What it needs.
        what: &'static str,
        /// How many.
        needed: u64,
        /// How many there may be.
        limit: u64,
    },
    /// Its linear memory starts above the route's limit.
    #[error("starts with {needed} bytes of memory, above the limit of {limit}; hint: raise `limits.memory`")]
    MemoryLimit {
        /// The initial size in bytes.
        needed: u64,
        /// The route's limit in bytes.
        limit: u64,
    },
    /// It does not link against the host.
    #[error("does not link: {0}")]
    Link(String),
    /// It has no artifact in the release.
    #[error("has no artifact in the release")]
    NoArtifact,
}

impl Interfaces {
    /// Checks that this is a component of a world and a version that the host speaks.
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

    /// Whether the component can be called as `role`.
    #[must_use]
    pub fn exports(&self, role: Role) -> bool {
        self.exports.iter().any(|name| speaks(name) && interface(name) == role.interface())
    }

    /// What keeps the component from serving as `role` with these grants; empty when nothing does.
    #[must_use]
    pub fn check_role(&self, role: Role, grants: &Grants) -> Vec<Incompatibility> {
        if let Err(problem) = self.check_world() {
            return vec![problem];
        }
        if !self.exports(role) {
            return vec![Incompatibility::WrongRole { role }];
        }
        // A component that is also a route keeps the imports of its routes: as the authorizer it is granted none of
        // them, and each call answers `forbidden`.
        let also_a_route = role == Role::Authorizer && self.exports(Role::Route);
        let missing = |name: &String| match (role, need(name, grants)) {
            (_, Need::Granted) => None,
            (Role::Authorizer, Need::Missing(_)) if name != CONFIG && also_a_route => None,
            (Role::Authorizer, Need::Missing(_)) if name != CONFIG => {
                Some(Incompatibility::NotForAuthorizer { interface: name.clone() })
            }
            (_, Need::Missing(hint)) => Some(Incompatibility::MissingGrant { interface: name.clone(), role, hint }),
        };
        self.imports.iter().filter_map(missing).collect()
    }
}

enum Need {
    Granted,
    Missing(&'static str),
}

fn need(import: &str, grants: &Grants) -> Need {
    let (granted, hint) = if package(import) == WIT_PACKAGE {
        match interface(import) {
            "storage" => (!grants.storage.is_empty(), r#"grants.storage = { NAME = "read-write" }"#),
            "connections" => (grants.connections.is_some(), r#"grants.connections = { groups = ["NAME"] }"#),
            "messaging" => (grants.messaging.is_some(), r#"grants.messaging = { send = "self" }"#),
            _ => (true, ""),
        }
    } else if import == CONFIG {
        (!grants.config.is_empty(), r#"grants.config = ["NAME"]"#)
    } else {
        (true, "")
    };
    if granted { Need::Granted } else { Need::Missing(hint) }
}

fn offered(import: &str) -> bool {
    if package(import) == WIT_PACKAGE {
        return matches!(interface(import), "types" | "storage" | "connections" | "messaging");
    }
    let wasi = WASI.iter().any(|package| import.starts_with(package));
    import == CONFIG || (wasi && version(import).starts_with("0.2."))
}

fn speaks(name: &str) -> bool {
    package(name) == WIT_PACKAGE && version(name).starts_with("0.1.")
}

/// `tidegate:route` of `tidegate:route/handler@0.1.0`.
fn package(name: &str) -> &str {
    name.split_once('/').map_or("", |(package, _)| package)
}

/// `handler` of `tidegate:route/handler@0.1.0`.
fn interface(name: &str) -> &str {
    let name = name.split_once('/').map_or(name, |(_, interface)| interface);
    name.split_once('@').map_or(name, |(interface, _)| interface)
}

/// `0.1.0` of `tidegate:route/handler@0.1.0`.
fn version(name: &str) -> &str {
    name.split_once('@').map_or("", |(_, version)| version)
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        return "nothing".to_owned();
    }
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
