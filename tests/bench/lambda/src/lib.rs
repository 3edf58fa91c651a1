//! A driver that measures Lambda functions doing the same job, side by side.
//!
//! Each function is a process that requests events from a Runtime API, as on Lambda. AWS is a stub, so only the
//! functions' own work differs.
//!
//! - [`function`]: the functions and their commands
//! - [`process`]: a running function
//! - [`events`]: events for the functions
//! - [`aws`]: the AWS stub; [`answers`]: its responses; [`published`]: its release; [`delay`]: the duration of a post
//! - [`behaviour`]: a check that all functions do the same, which runs before any measurement
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
