//! Drives Lambda functions that do one job, in turn, and measures them side by side.
//!
//! Each function runs as Lambda runs it: a process that asks the Runtime API for events. AWS is a stub, so that what differs
//! between the functions is their own work.
//!
//! - [`function`]: the functions, and how each is started
//! - [`process`]: one of them, running
//! - [`events`]: what they are given
//! - [`aws`]: the stub of AWS; [`answers`]: what it says; [`published`]: what it has of a release; [`delay`]: how long a post
//!   takes
//! - [`behaviour`]: that they do the same, which is checked before anything is timed
//! - [`cold`], [`warm`], [`fanout`]: what is measured
//! - [`report`]: the measurements

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
