//! The grants and limits of one route, shared by all of its instances.

use std::sync::atomic::{AtomicBool, Ordering};

use tidegate_app::{Grants, Limits};

/// The grants and limits of one route, or of the authorizer.
#[derive(Debug)]
pub(crate) struct Permissions {
    pub(crate) grants: Grants,
    pub(crate) limits: Limits,
    config_refusal_logged: AtomicBool,
    large_documents: AtomicBool,
}

impl Permissions {
    pub(crate) fn new(grants: Grants, limits: Limits) -> Self {
        Self { grants, limits, config_refusal_logged: AtomicBool::new(false), large_documents: AtomicBool::new(false) }
    }

    /// Returns true on the first call only, so that a route that reads ungranted configuration is logged once.
    pub(crate) fn is_first_config_refusal(&self) -> bool {
        !self.config_refusal_logged.swap(true, Ordering::Relaxed)
    }

    /// Records that the route has read a large document. Its later reads are offloaded, because the size of a document
    /// is known only after it was read.
    pub(crate) fn record_large_document(&self) {
        self.large_documents.store(true, Ordering::Relaxed);
    }

    /// Returns true if the route has read a large document.
    pub(crate) fn reads_large_documents(&self) -> bool {
        self.large_documents.load(Ordering::Relaxed)
    }
}
