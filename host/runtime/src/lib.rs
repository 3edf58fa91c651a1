//! Runs components as routes: engine, router, instance, lifecycle, host bindings.
