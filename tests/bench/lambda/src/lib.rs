//! A driver for Lambda functions that do the same job, which measures them side by side.
//!
//! Each function is a process that asks a Runtime API for events, as on Lambda. AWS is a stub, so the functions differ
//! in their own work alone.
//!
//! - [`function`]: the functions and their commands
//! - [`process`]: a running function
//! - [`events`]: events for the functions
//! - [`aws`]: the stub of AWS; [`answers`]: its responses; [`published`]: its release; [`delay`]: the duration of posts
//! - [`behaviour`]: a check that all functions do the same, made before any measurement
//! - [`cold`], [`warm`], [`fanout`]: the measurements
//! - [`report`]: the report

pub mod answers;
pub mod aws;
pub mod behaviour;
pub mod cold;
pub mod delay;
pub mod events;
pub mod fanout;
pub mod function;
pub mod process;
pub mod published;
pub mod report;
pub mod warm;
