//! The world behind the host's functions.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidegate_ports::{Messaging, Registry, Storage};

/// The ports that a host calls.
#[derive(Clone)]
pub struct Ports {
    /// Documents.
    pub storage: Arc<dyn Storage>,
    /// Open connections and their groups.
    pub registry: Arc<dyn Registry>,
    /// Messages to connections.
    pub messaging: Arc<dyn Messaging>,
    /// Configuration values by name; a route sees those that it is granted.
    pub config: Arc<BTreeMap<String, String>>,
}

impl std::fmt::Debug for Ports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Values may be secrets.
        f.debug_struct("Ports").finish_non_exhaustive()
    }
}
