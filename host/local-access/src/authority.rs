//! `host:port`, as it stands in the header `Host`, in URLs and in origins.
//!
//! Every spelling that this module does not accept is refused, so a name has one meaning. In particular these are not
//! accepted: user information, an empty or a trailing label (`localhost.`), an empty port, an IPv6 address without
//! brackets or with a zone, numbers that browsers read as an IPv4 address (`127.1`, `0x7f000001`), and every character
//! outside ASCII. Names in Punycode are plain names. Case does not count.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The maximum length of a name, as in DNS.
const MAX_NAME_BYTES: usize = 253;
/// The maximum length of one label of a name, as in DNS.
const MAX_LABEL_BYTES: usize = 63;
/// The name of this machine.
const LOCALHOST: &str = "localhost";

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// The name or the address.
    pub host: Host,
    /// The port; `None` is the default of the scheme.
    pub port: Option<u16>,
}

/// A host: a name or an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A name in lower case, without a dot at its end.
    Name(String),
    /// An IP address.
    Address(IpAddr),
}

/// The text is not a host, or not a host and a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a name, an IPv4 address or an IPv6 address in brackets")]
pub struct InvalidHost;

impl Authority {
    /// Parses `host` or `host:port`.
    ///
    /// # Errors
    /// The text has another form.
    pub fn parse(text: &str) -> Result<Self, InvalidHost> {
        // The first colon after the brackets of an IPv6 address separates the port.
        let bracket = text.find(']').map_or(0, |at| at + 1);
        let (before, rest) = text.split_at_checked(bracket).ok_or(InvalidHost)?;
        let (name, port) = match rest.split_once(':') {
            Some((name, port)) => (name, Some(parse_port(port)?)),
            None => (rest, None),
        };
        let host = match before {
            "" => Host::parse_name(name)?,
            address if name.is_empty() => Host::parse_bracketed(address)?,
            _ => return Err(InvalidHost),
        };
        Ok(Self { host, port })
    }
}

impl Host {
    /// Parses a host without a port.
    ///
    /// # Errors
    /// The text has another form.
    pub fn parse(text: &str) -> Result<Self, InvalidHost> {
        match Authority::parse(text)? {
            Authority { host, port: None } => Ok(host),
            _ => Err(InvalidHost),
        }
    }

    /// Returns true for `localhost`, each name under it, `127.0.0.0/8` and `::1`. No public name resolves to these.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Name(name) => name == LOCALHOST || is_under(name, LOCALHOST),
            Self::Address(address) => address.is_loopback(),
        }
    }

    fn parse_name(text: &str) -> Result<Self, InvalidHost> {
        let labels = || text.split('.');
        let is_name = text.len() <= MAX_NAME_BYTES && labels().all(is_label);
        let is_number = labels().next_back().is_some_and(is_number);
        match (is_name, is_number) {
            (true, false) => Ok(Self::Name(text.to_ascii_lowercase())),
            (true, true) => text.parse::<Ipv4Addr>().map(|v4| Self::Address(v4.into())).map_err(|_| InvalidHost),
            (false, _) => Err(InvalidHost),
        }
    }

    fn parse_bracketed(text: &str) -> Result<Self, InvalidHost> {
        let address = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).ok_or(InvalidHost)?;
        address.parse::<Ipv6Addr>().map(|v6| Self::Address(v6.into())).map_err(|_| InvalidHost)
    }
}

/// Returns true if a text has the form of the header `Host`: a name or an address that is not empty, and a port that
/// may be missing. [`Authority`] accepts fewer forms.
///
/// <https://www.rfc-editor.org/rfc/rfc3986#section-3.2.2>
#[must_use]
pub fn is_host_field(text: &str) -> bool {
    let (host, port) = match text.split_once(']') {
        Some((address, port)) => (address, port.strip_prefix(':').or_else(|| port.is_empty().then_some(""))),
        None => text.split_once(':').map_or((text, Some("")), |(host, port)| (host, Some(port))),
    };
    let is_port = port.is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    let is_host = match host.strip_prefix('[') {
        Some(address) => text.contains(']') && is_literal(address),
        None => !text.contains(']') && is_registered_name(host),
    };
    is_port && is_host
}

/// Returns true for an IPv6 address, and for an address of a later version.
fn is_literal(address: &str) -> bool {
    let is_future = |rest: &str| {
        let is_allowed = |byte: u8| is_name_byte(byte) || byte == b':';
        rest.split_once('.').is_some_and(|(version, address)| {
            !version.is_empty()
                && version.bytes().all(|byte| byte.is_ascii_hexdigit())
                && !address.is_empty()
                && address.bytes().all(is_allowed)
        })
    };
    address.parse::<Ipv6Addr>().is_ok() || address.strip_prefix(['v', 'V']).is_some_and(is_future)
}

fn is_registered_name(name: &str) -> bool {
    let mut parts = name.split('%');
    let is_plain = |part: &str| part.bytes().all(is_name_byte);
    let is_escaped = |part: &str| match part.as_bytes() {
        [high, low, ..] => high.is_ascii_hexdigit() && low.is_ascii_hexdigit() && is_plain(part),
        _ => false,
    };
    !name.is_empty() && parts.next().is_some_and(is_plain) && parts.all(is_escaped)
}

/// Returns true for the unreserved characters and the sub-delimiters of a URI.
fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte)
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => address.fmt(f),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => self.host.fmt(f),
        }
    }
}

/// Returns true if a name is below a domain.
pub(crate) fn is_under(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
}

fn is_label(label: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !label.is_empty() && label.len() <= MAX_LABEL_BYTES && label.bytes().all(is_allowed)
}

/// Returns true if a browser reads a host that ends in this label as an IPv4 address.
///
/// <https://url.spec.whatwg.org/#ends-in-a-number-checker>
fn is_number(label: &str) -> bool {
    let hex = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    label.bytes().all(|byte| byte.is_ascii_digit())
        || hex.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn parse_port(text: &str) -> Result<u16, InvalidHost> {
    // `u16::from_str` accepts a sign.
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| is_number && *port != 0).ok_or(InvalidHost)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_names_are_recognised_in_every_accepted_spelling() {
        for text in [
            "localhost",
            "LocalHost:3000",
            "app.localhost",
            "a.b.LOCALHOST:80",
            "xn--bcher-kva.localhost",
            "127.0.0.1",
            "127.0.0.1:65535",
            "127.255.0.3:1",
            "[::1]",
            "[::1]:3000",
            "[0:0:0:0:0:0:0:1]:3000",
        ] {
            assert!(Authority::parse(text).unwrap().host.is_loopback(), "{text}");
        }
    }

    #[test]
    fn other_hosts_are_not_loopback() {
        for text in [
            "evil.example",
            "evil.example:3000",
            "localhost.evil.example",
            "notlocalhost",
            "127.0.0.1.evil.example",
            "127.0.0.1.nip.io:3000",
            "xn--lcalhost-54a",
            "0.0.0.0:3000",
            "128.0.0.1",
            "10.0.0.1",
            "[::]",
            "[::2]",
            // An IPv4 address as IPv6 reaches loopback, but no browser or tool sends it for a local name.
            "[::ffff:127.0.0.1]",
            "[fe80::1]",
        ] {
            assert!(!Authority::parse(text).unwrap().host.is_loopback(), "{text}");
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        let long_label = format!("{}.localhost", "a".repeat(64));
        let long_name = format!("{}localhost", "a.".repeat(130));
        for text in [
            "",
            ":3000",
            "localhost:",
            "localhost:0",
            "localhost:+80",
            "localhost:65536",
            "localhost:3000:3000",
            "localhost:http",
            "localhost.",
            "localhost.:3000",
            ".localhost",
            "a..localhost",
            " localhost",
            "localhost ",
            "local host",
            "localhost,evil.example",
            "localhost/",
            "localhost\\evil.example",
            "localhost#",
            "localhost?x",
            "localhost%2eevil.example",
            "user@localhost",
            "user:password@localhost:3000",
            "evil.example@localhost",
            "bücher.localhost",
            "localhost\u{3002}",
            "127.1",
            "127.0.0.1.",
            "127.0.0.01",
            "2130706433",
            "0x7f000001",
            "0x7f.0.0.1",
            "017700000001",
            "localhost.1",
            "256.0.0.1",
            "::1",
            "[::1",
            "::1]",
            "[::1]x",
            "[::1]3000",
            "[::1%lo]",
            "[::1%25lo]:3000",
            "[127.0.0.1]",
            "[]",
            "x[::1]",
            "[[::1]]",
            "null",
            "http://localhost",
            &long_label,
            &long_name,
        ] {
            let parsed = Authority::parse(text);
            // `null` is a name like any other, and not a loopback one.
            assert!(parsed.as_ref().map_or(true, |authority| !authority.host.is_loopback()), "{text}: {parsed:?}");
            assert_eq!(parsed.is_err(), text != "null", "{text}");
        }
    }

    #[test]
    fn host_fields_have_the_form_of_rfc_3986() {
        for text in [
            "localhost",
            "localhost:3000",
            "localhost:",
            "localhost.",
            "127.1",
            "null",
            "a_b-c.example:80",
            "b%C3%BCcher.example",
            "a,b",
            "[::1]",
            "[::1]:3000",
            "[::1]:",
            "[2001:db8::7]:443",
            "[::ffff:127.0.0.1]",
            "[v7.a:b]",
        ] {
            assert!(is_host_field(text), "{text}");
        }
        for text in [
            "",
            ":3000",
            "::1",
            "[::1",
            "::1]",
            "[]",
            "[::1]x",
            "[::1]3000",
            "[::1%25lo]",
            "[localhost]",
            "[v7]",
            "[[::1]]",
            "user@localhost",
            "localhost:http",
            "localhost:1:2",
            "local host",
            " localhost",
            "localhost/",
            "localhost?x",
            "localhost#x",
            "localhost\\x",
            "a%2",
            "a%zz",
            "bücher.example",
        ] {
            assert!(!is_host_field(text), "{text}");
        }
    }

    #[test]
    fn hosts_are_displayed_as_they_are_parsed() {
        for text in ["localhost:3000", "127.0.0.1", "[::1]:3000", "[::1]"] {
            assert_eq!(Authority::parse(text).unwrap().to_string(), text);
        }
        assert!(Host::parse("localhost:3000").is_err());
    }
}
