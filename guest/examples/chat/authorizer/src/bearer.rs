//! Where a client puts its token.

use tidegate_guest::Handshake;

/// The token: of the header `Authorization: Bearer …` (RFC 6750), else of the sub-protocols `bearer, <token>`, else of
/// the query parameter `token`. A browser can set only the last two, and logs often show the last.
pub(crate) fn token(handshake: &Handshake) -> Option<&str> {
    let header = handshake.header("authorization").and_then(of_header);
    let given = header.or_else(|| of_protocols(handshake)).or_else(|| handshake.query_value("token"));
    given.filter(|token| !token.is_empty())
}

fn of_header(value: &str) -> Option<&str> {
    let (scheme, token) = value.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn of_protocols(handshake: &Handshake) -> Option<&str> {
    let mut protocols = handshake.protocols();
    protocols.next().filter(|first| *first == "bearer")?;
    protocols.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(headers: &[(&str, &str)], query: &[(&str, &str)]) -> Option<String> {
        let owned = |fields: &[(&str, &str)]| fields.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect();
        token(&Handshake { headers: owned(headers), query: owned(query) }).map(str::to_owned)
    }

    #[test]
    fn the_header_is_first_then_the_sub_protocol_then_the_query() {
        let (header, protocol, query) =
            (("authorization", "Bearer a"), ("sec-websocket-protocol", "bearer, b"), ("token", "c"));
        assert_eq!(of(&[protocol, header], &[query]).as_deref(), Some("a"));
        assert_eq!(of(&[protocol], &[query]).as_deref(), Some("b"));
        assert_eq!(of(&[], &[query]).as_deref(), Some("c"));
        assert_eq!(of(&[], &[]), None);
    }

    #[test]
    fn what_is_no_bearer_token_is_passed_over() {
        assert_eq!(of(&[("authorization", "Basic YTpi")], &[("token", "c")]).as_deref(), Some("c"));
        assert_eq!(of(&[("sec-websocket-protocol", "chat, b")], &[]), None);
        assert_eq!(of(&[("sec-websocket-protocol", "bearer")], &[]), None);
        assert_eq!(of(&[], &[("token", "")]), None);
        assert_eq!(of(&[("authorization", "bearer  a ")], &[]).as_deref(), Some("a"));
    }
}
