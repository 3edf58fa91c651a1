//! The runtime at its boundary: events in, responses out, guest programs that assert in between.

mod activation;
mod behaviours;
mod events;
mod fixture;
mod guests;
mod isolation;
mod lifecycle;
mod logs;
mod world;
