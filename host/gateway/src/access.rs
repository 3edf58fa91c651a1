//! The callers that a gateway accepts.
//!
//! API Gateway itself checks neither `Host` nor `Origin`: its names are public, and its sockets are open to the pages
//! of every origin unless an authorizer refuses them. A gateway on a developer's machine is reached by pages that have
//! nothing to do with the app, so it refuses them.

use std::time::SystemTime;

use http::Request;
use http::request::Parts;
use tidegate_diagnostic::Code;
use tidegate_local_access::{Audience, Claim, Hosts, Keys, Origins, Scope, SignatureError};

use crate::api::ApiConfig;
use crate::endpoint::RequestKind;
use crate::limits::Rate;

/// The service in the scope of a signature for `@connections`.
const SERVICE: &str = "execute-api";

/// The names, the pages and the keys that a gateway accepts. By default: loopback names, the sockets of loopback pages,
/// and no key, so no call to `@connections`.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// The accepted values of `Host`.
    pub hosts: Hosts,
    /// The accepted values of `Origin`.
    pub origins: Origins,
    /// The keys that may sign calls to `@connections`.
    pub keys: Keys,
}

/// The reason for refusing a request: the escaped value of a header.
pub(crate) enum Refusal {
    Host(String),
    Origin(String),
}

impl Access {
    /// The rate of refusals that are logged. A client that is refused again and again does not fill the log.
    pub(crate) const LOGGED: Rate = Rate { per_second: 1, burst: 20 };

    /// Checks the headers `Host` and `Origin` of a request.
    ///
    /// # Errors
    /// The request is for another name, or from another page.
    pub(crate) fn check<B>(&self, request: &Request<B>, kind: &RequestKind) -> Result<(), Refusal> {
        let audience = match kind {
            RequestKind::Socket => Audience::Pages,
            RequestKind::Connection(_) | RequestKind::Unknown => Audience::Programs,
        };
        self.hosts.check(request.headers(), request.uri()).map_err(Refusal::Host)?;
        self.origins.check(request.headers(), audience).map_err(Refusal::Origin)
    }

    /// Reads the signature of a call to `@connections`.
    ///
    /// # Errors
    /// The call is not signed with an accepted key for this API.
    pub(crate) fn claim<'a>(&'a self, api: &'a ApiConfig, request: &Parts) -> Result<Claim<'a>, SignatureError> {
        // The signature has the time of the client, so the clock of tests does not count.
        self.keys.claim(request, Scope { region: &api.region, service: SERVICE }, SystemTime::now())
    }
}

impl Refusal {
    /// Logs the refusal for the developer, who may have meant the request to be accepted.
    pub(crate) fn log(&self) {
        match self {
            Self::Host(host) => tracing::warn!(
                code = %Code::HostNotAllowed,
                host,
                hint = "`--allow-host NAME` accepts a name other than a loopback name",
                "refused a request for another host"
            ),
            Self::Origin(origin) => tracing::warn!(
                code = %Code::OriginNotAllowed,
                origin,
                hint = "`--allow-origin ORIGIN` accepts the pages of an origin",
                "refused a request from a page of another origin"
            ),
        }
    }
}
