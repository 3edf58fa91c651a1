//! The ports that a host calls.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use tidegate_ports::{Messaging, Registry, Storage};

/// The ports that a host calls.
#[derive(Clone)]
pub struct Ports {
    /// The ports of routes; `None` in a function that runs only the authorizer, which needs no table and no
    /// `@connections`.
    pub routes: Option<RoutePorts>,
    /// Configuration values by name. A route can read only the values that it is granted.
    pub config: Arc<BTreeMap<String, String>>,
}

/// The ports of routes.
#[derive(Clone)]
pub struct RoutePorts {
    /// Documents in collections.
    pub storage: Arc<dyn Storage>,
    /// Open connections and their groups.
    pub registry: Arc<dyn Registry>,
    /// Messages to connections.
    pub messaging: Arc<dyn Messaging>,
}

impl Ports {
    pub(crate) fn storage(&self) -> Option<&Arc<dyn Storage>> {
        self.routes.as_ref().map(|routes| &routes.storage)
    }

    pub(crate) fn registry(&self) -> Option<&Arc<dyn Registry>> {
        self.routes.as_ref().map(|routes| &routes.registry)
    }

    pub(crate) fn messaging(&self) -> Option<&dyn Messaging> {
        self.routes.as_ref().map(|routes| &*routes.messaging)
    }
}

impl fmt::Debug for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values may be secrets.
        f.debug_struct("Ports").finish_non_exhaustive()
    }
}
