//! The origins of the pages that may call a server.
//!
//! Browsers send the header `Origin` with every handshake of a socket and with every request that can change something,
//! and a page cannot leave it out or choose it. Other programs send none, and are not refused.

use std::fmt;
use std::str::FromStr;

use http::{HeaderMap, header};

use crate::authority::Authority;
use crate::hosts::escape;

/// The accepted values of the header `Origin`.
#[derive(Debug, Clone, Default)]
pub struct Origins {
    added: Vec<Origin>,
}

/// The callers that a part of a server is meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Programs and pages of this machine: a loopback origin of any port is accepted, for example that of a development
    /// server.
    Pages,
    /// Programs only: a page is refused, unless its origin was added.
    Programs,
}

/// An origin: a scheme, a host and a port.
///
/// <https://www.rfc-editor.org/rfc/rfc6454#section-6.2>
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    scheme: String,
    authority: Authority,
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let invalid = || "expected an origin without a path, for example `https://tide.example.com:8443`".to_owned();
        if text == "null" {
            return Err(
                "`null` is the origin of every sandboxed page and every file, so it cannot be accepted; serve \
                        the page over HTTP"
                    .to_owned(),
            );
        }
        let (scheme, authority) = text.split_once("://").ok_or_else(invalid)?;
        let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        let mut authority = Authority::parse(authority).map_err(|_| invalid())?;
        let scheme = Some(scheme.to_ascii_lowercase()).filter(|_| is_scheme).ok_or_else(invalid)?;
        // A browser leaves out the default port.
        authority.port = authority.port.filter(|port| Some(*port) != default_port(&scheme));
        Ok(Self { scheme, authority })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority)
    }
}

impl Origin {
    fn is_loopback(&self) -> bool {
        default_port(&self.scheme).is_some() && self.authority.host.is_loopback()
    }
}

impl Origins {
    /// Accepts these origins for every audience.
    #[must_use]
    pub fn new(added: Vec<Origin>) -> Self {
        Self { added }
    }

    /// Checks a request to a part of the server that is meant for `audience`. A request without an `Origin` is
    /// accepted.
    ///
    /// # Errors
    /// The escaped value of the header, if it is another origin, none, `null`, or stands there twice.
    pub fn check(&self, headers: &HeaderMap, audience: Audience) -> Result<(), String> {
        let values: Vec<&[u8]> = headers.get_all(header::ORIGIN).iter().map(|value| value.as_bytes()).collect();
        let value = match values.as_slice() {
            [] => return Ok(()),
            [value] => std::str::from_utf8(value).ok(),
            _ => None,
        };
        let origin = value.and_then(|text| text.parse::<Origin>().ok());
        let is_accepted = origin.is_some_and(|origin| {
            self.added.contains(&origin) || (audience == Audience::Pages && origin.is_loopback())
        });
        if is_accepted { Ok(()) } else { Err(escape(&values)) }
    }
}

/// Returns the default port of the schemes of web pages.
fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn accepts(origins: &Origins, values: &[&str], audience: Audience) -> bool {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::ORIGIN, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        origins.check(&headers, audience).is_ok()
    }

    #[test]
    fn requests_without_an_origin_are_accepted() {
        for audience in [Audience::Pages, Audience::Programs] {
            assert!(accepts(&Origins::default(), &[], audience));
        }
    }

    #[test]
    fn loopback_pages_are_accepted_only_where_pages_are_meant() {
        for value in [
            "http://localhost:5173",
            "https://localhost",
            "HTTP://LOCALHOST:5173",
            "http://app.localhost:5173",
            "http://127.0.0.1:5173",
            "http://127.8.8.8",
            "http://[::1]:5173",
        ] {
            assert!(accepts(&Origins::default(), &[value], Audience::Pages), "{value}");
            assert!(!accepts(&Origins::default(), &[value], Audience::Programs), "{value}");
        }
    }

    #[test]
    fn foreign_and_malformed_origins_are_refused() {
        let cases: [&[&str]; 26] = [
            &[""],
            &["null"],
            &["NULL"],
            &["https://evil.example"],
            &["http://evil.example:3000"],
            &["http://localhost.evil.example"],
            &["http://127.0.0.1.evil.example"],
            &["http://0.0.0.0:3000"],
            &["http://localhost@evil.example"],
            &["http://user@localhost"],
            &["http://localhost."],
            &["http://localhost:5173/"],
            &["http://localhost:5173/page"],
            &["http://localhost:5173?x"],
            &["http://localhost:"],
            &["http://[::1%25lo]"],
            &["http://127.1"],
            &["http://b\u{fc}cher.localhost"],
            &["localhost:5173"],
            &["//localhost:5173"],
            &["://localhost"],
            &["file://"],
            &["ws://localhost:3000"],
            &["chrome-extension://localhost"],
            &["http://localhost:5173", "http://localhost:5173"],
            &["http://localhost:5173 https://evil.example"],
        ];
        for values in cases {
            for audience in [Audience::Pages, Audience::Programs] {
                assert!(!accepts(&Origins::default(), values, audience), "{values:?}");
            }
        }
    }

    #[test]
    fn added_origins_are_accepted_exactly() {
        let added = ["https://tide.example.com", "http://tide.example.com:8080", "tauri://localhost"];
        let origins = Origins::new(added.map(|text| text.parse().unwrap()).into());
        for value in ["https://tide.example.com", "https://Tide.example.com:443", "tauri://localhost"] {
            assert!(accepts(&origins, &[value], Audience::Programs), "{value}");
            assert!(accepts(&origins, &[value], Audience::Pages), "{value}");
        }
        for value in ["http://tide.example.com", "https://tide.example.com:8080", "https://a.tide.example.com"] {
            assert!(!accepts(&origins, &[value], Audience::Pages), "{value}");
        }
    }

    #[test]
    fn opaque_origins_and_urls_cannot_be_added() {
        for text in ["", "*", "null", "tide.example.com", "https://tide.example.com/", "https://", "https://a b"] {
            assert!(text.parse::<Origin>().is_err(), "{text}");
        }
        assert_eq!("HTTPS://Tide.example.com:443".parse::<Origin>().unwrap().to_string(), "https://tide.example.com");
    }
}
