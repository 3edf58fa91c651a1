//! Lookup of the client's bearer token in a handshake.

use tidegate_guest::Handshake;

/// Returns the token of the first of these places that has one:
///
/// 1. the header `Authorization: Bearer …` (RFC 6750)
/// 2. the sub-protocols `bearer, <token>`
/// 3. the query parameter `token`
///
/// A browser can set only the last two. Query parameters often appear in logs.
pub(crate) fn token(handshake: &Handshake) -> Option<&str> {
    let in_header = handshake.header("authorization").and_then(from_header);
    let token = in_header.or_else(|| from_protocols(handshake)).or_else(|| handshake.query_value("token"));
    token.filter(|token| !token.is_empty())
}

fn from_header(value: &str) -> Option<&str> {
    let (scheme, token) = value.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn from_protocols(handshake: &Handshake) -> Option<&str> {
    let mut protocols = handshake.protocols();
    protocols.next().filter(|first| *first == "bearer")?;
    protocols.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(headers: &[(&str, &str)], query: &[(&str, &str)]) -> Option<String> {
        let owned = |fields: &[(&str, &str)]| fields.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect();
        token(&Handshake { headers: owned(headers), query: owned(query) }).map(str::to_owned)
    }

    #[test]
    fn header_precedes_the_sub_protocol_and_the_query() {
        let header = ("authorization", "Bearer a");
        let protocol = ("sec-websocket-protocol", "bearer, b");
        let query = ("token", "c");
        assert_eq!(find(&[protocol, header], &[query]).as_deref(), Some("a"));
        assert_eq!(find(&[protocol], &[query]).as_deref(), Some("b"));
        assert_eq!(find(&[], &[query]).as_deref(), Some("c"));
        assert_eq!(find(&[], &[]), None);
    }

    #[test]
    fn values_without_a_bearer_token_are_skipped() {
        assert_eq!(find(&[("authorization", "Basic YTpi")], &[("token", "c")]).as_deref(), Some("c"));
        assert_eq!(find(&[("sec-websocket-protocol", "chat, b")], &[]), None);
        assert_eq!(find(&[("sec-websocket-protocol", "bearer")], &[]), None);
        assert_eq!(find(&[], &[("token", "")]), None);
        assert_eq!(find(&[("authorization", "bearer  a ")], &[]).as_deref(), Some("a"));
    }
}
