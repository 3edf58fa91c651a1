//! Reading and creating files in folders that others may have written to: an app, a cache, a store, a release.
//!
//! Such a file may be a named pipe that never has a writer, a device, a link to another file of the user, or larger
//! than memory. The functions of this crate refuse all of these before they read, and none of them waits: a file is
//! opened without blocking, and its type is checked on the open file.
//!
//! - [`read`](mod@read): files with a limit on their size
//! - [`private`]: folders and files that only their owner can use
//! - [`refused`]: the reasons for refusing a file

pub mod private;
pub mod read;
pub mod refused;

pub use read::{Links, open, read, read_text};
pub use refused::{Refused, refusal};
