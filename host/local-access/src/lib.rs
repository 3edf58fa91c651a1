//! The callers that a server on a developer's machine accepts.
//!
//! A server on a loopback address is reached by every program of the machine, and by every page that a browser on the
//! machine shows: a page can open sockets and send requests to `127.0.0.1`, also under a name of its own that it points
//! there (DNS rebinding). The parts of this crate tell the callers apart:
//!
//! - [`authority`]: `host:port`, as it stands in the header `Host`, in URLs and in origins
//! - [`hosts`]: the names under which a server may be called
//! - [`origins`]: the origins of the pages that may call a server
//! - [`keys`]: AWS access keys that are made for one run
//! - [`signature`]: Signature Version 4, verified with such keys
//! - [`secret`]: a secret in the path of a URL

pub mod authority;
pub mod hosts;
pub mod keys;
pub mod origins;
pub mod secret;
pub mod signature;

pub use authority::{Authority, Host, is_host_field};
pub use hosts::{HostPattern, Hosts};
pub use keys::Keys;
pub use origins::{Audience, Origin, Origins};
pub use secret::Secret;
pub use signature::{Claim, Scope, SignatureError};
