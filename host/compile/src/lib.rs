//! Compiles components ahead of time for a named target.
