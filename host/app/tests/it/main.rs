//! Tests of manifests, apps and their errors.

// Clippy's exception for tests covers test functions, not their helpers.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod grants;
mod invalid_manifests;
mod json;
mod manifests;
mod routing;
mod rules;
mod support;
mod unused;
