//! The grants and limits of one route, shared by all of its instances.

use std::sync::atomic::{AtomicBool, Ordering};

use tidegate_app::{Grants, Limits};

/// The grants and limits of one route, or of the authorizer.
#[derive(Debug)]
pub(crate) struct Permissions {
    pub(crate) grants: Grants,
    pub(crate) limits: Limits,
    config_refusal_logged: AtomicBool,
}

impl Permissions {
    pub(crate) fn new(grants: Grants, limits: Limits) -> Self {
        Self { grants, limits, config_refusal_logged: AtomicBool::new(false) }
    }

    /// Returns true on the first call only, so that a route that reads ungranted configuration is logged once.
    pub(crate) fn is_first_config_refusal(&self) -> bool {
        !self.config_refusal_logged.swap(true, Ordering::Relaxed)
    }
}
