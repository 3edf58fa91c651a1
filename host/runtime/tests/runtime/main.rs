//! The runtime at its boundary: events in, responses out, guest programs that assert in between.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says so by panicking"
)]

mod activation;
mod behaviours;
mod connection_behaviours;
mod events;
mod fixture;
mod following;
mod guests;
mod isolation;
mod lifecycle;
mod limits;
mod logs;
mod memory;
mod model;
mod swap;
mod world;
