//! The names under which a server may be called.

use std::str::FromStr;

use http::{HeaderMap, Uri, header};

use crate::authority::{Authority, Host, is_under};

/// The accepted values of the header `Host`: loopback names, and the names that the user adds. The port does not count,
/// because a tunnel or a container may change it.
#[derive(Debug, Clone, Default)]
pub struct Hosts {
    added: Vec<HostPattern>,
}

/// A name that the user adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostPattern {
    /// One host.
    Exactly(Host),
    /// Every name below a domain, which is written with a dot at its beginning.
    Under(String),
}

impl FromStr for HostPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let host = Host::parse(text.strip_prefix('.').unwrap_or(text));
        match (host, text.starts_with('.')) {
            (Ok(host), false) => Ok(Self::Exactly(host)),
            (Ok(Host::Name(domain)), true) => Ok(Self::Under(domain)),
            _ => {
                Err("expected a host without a port, for example `tide.example.com`, `192.0.2.7` or `[2001:db8::7]`, \
                      or a domain with a dot before it, for example `.example.com`"
                    .to_owned())
            }
        }
    }
}

impl HostPattern {
    fn matches(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Exactly(added), host) => added == host,
            (Self::Under(domain), Host::Name(name)) => is_under(name, domain),
            (Self::Under(_), Host::Address(_)) => false,
        }
    }
}

impl Hosts {
    /// Accepts loopback names and these.
    #[must_use]
    pub fn new(added: Vec<HostPattern>) -> Self {
        Self { added }
    }

    /// Checks a request. The request must have exactly one `Host`. If its URL has an authority too, both must be equal.
    ///
    /// # Errors
    /// The escaped value of the header, if the request is for another name or for no valid one.
    pub fn check(&self, headers: &HeaderMap, url: &Uri) -> Result<(), String> {
        let values: Vec<&[u8]> = headers.get_all(header::HOST).iter().map(|value| value.as_bytes()).collect();
        let [value] = values.as_slice() else { return Err(escape(&values)) };
        let host = std::str::from_utf8(value).ok().and_then(|text| Authority::parse(text).ok());
        let is_accepted = host.is_some_and(|authority| {
            let is_added = || self.added.iter().any(|pattern| pattern.matches(&authority.host));
            let in_url = url.authority().map(|in_url| Authority::parse(in_url.as_str()));
            in_url.is_none_or(|in_url| in_url.as_ref() == Ok(&authority))
                && (authority.host.is_loopback() || is_added())
        });
        if is_accepted { Ok(()) } else { Err(escape(&values)) }
    }
}

/// Returns the values of a header as text for a log, which the client cannot forge.
pub(crate) fn escape(values: &[&[u8]]) -> String {
    values.iter().map(|value| value.escape_ascii().to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn accepts(hosts: &Hosts, values: &[&str], url: &str) -> bool {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::HOST, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        hosts.check(&headers, &url.parse().unwrap()).is_ok()
    }

    #[test]
    fn loopback_names_with_any_port_are_accepted() {
        for value in ["localhost:3000", "LOCALHOST", "chat.localhost:8080", "127.0.0.1:3000", "127.9.9.9", "[::1]:3000"]
        {
            assert!(accepts(&Hosts::default(), &[value], "/dev"), "{value}");
        }
    }

    #[test]
    fn other_missing_and_repeated_hosts_are_refused() {
        let cases: [&[&str]; 10] = [
            &[],
            &[""],
            &["evil.example"],
            &["evil.example:3000"],
            &["0.0.0.0:3000"],
            &["localhost.:3000"],
            &["user@localhost"],
            &["b\u{fc}cher.localhost"],
            &["localhost:3000", "localhost:3000"],
            &["localhost:3000", "evil.example"],
        ];
        for values in cases {
            assert!(!accepts(&Hosts::default(), values, "/dev"), "{values:?}");
        }
    }

    #[test]
    fn the_authority_of_a_url_must_equal_the_host() {
        let hosts = Hosts::default();
        assert!(accepts(&hosts, &["LOCALHOST:3000"], "http://localhost:3000/dev"));
        for url in
            ["http://evil.example/dev", "http://localhost/dev", "http://127.0.0.1:3000/", "http://a@localhost:3000/"]
        {
            assert!(!accepts(&hosts, &["localhost:3000"], url), "{url}");
        }
        assert!(!accepts(&hosts, &["evil.example"], "http://localhost:3000/dev"));
    }

    #[test]
    fn added_names_are_accepted_and_no_others() {
        let patterns = ["tide.example.com", ".preview.example", "192.0.2.7", "[2001:db8::7]"];
        let hosts = Hosts::new(patterns.map(|text| text.parse().unwrap()).into());
        for value in ["Tide.Example.com:8443", "a.preview.example", "a.b.preview.example", "192.0.2.7", "[2001:db8::7]"]
        {
            assert!(accepts(&hosts, &[value], "/"), "{value}");
        }
        for value in ["example.com", "a.tide.example.com", "preview.example", "evilpreview.example", "192.0.2.8"] {
            assert!(!accepts(&hosts, &[value], "/"), "{value}");
        }
        assert!(accepts(&hosts, &["localhost"], "/"));
    }

    #[test]
    fn patterns_are_hosts_without_a_port() {
        let wrong =
            ["", ".", "*", "*.example.com", "example.com:80", "http://example.com", ".127.0.0.1", "a.example.", "*."];
        for text in wrong.into_iter().chain(["..example.com", "b\u{fc}cher.example", "::1", "user@example.com"]) {
            assert!(text.parse::<HostPattern>().is_err(), "{text}");
        }
    }

    #[test]
    fn refused_values_are_escaped() {
        let mut headers = HeaderMap::new();
        headers.append(header::HOST, HeaderValue::from_bytes(b"a\tb\xc2\x9b").unwrap());
        let refused = Hosts::default().check(&headers, &Uri::from_static("/")).unwrap_err();
        assert_eq!(refused, "a\\tb\\xc2\\x9b");
    }
}
