//! The token, and when it holds.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Deserialize;
use sha2::Sha256;

/// Why a token does not hold. For the log; a client hears only that it does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// Not three parts of base64url, or a part is not the JSON it must be.
    #[error("it is no JSON Web Token")]
    Malformed,
    /// Another algorithm, `none` among them, or an extension that must be understood.
    #[error("its header asks for something other than plain HS256")]
    Algorithm,
    /// Signed with another secret, or changed since.
    #[error("its signature is wrong")]
    Signature,
    /// After `exp`.
    #[error("it has expired")]
    Expired,
    /// Before `nbf`.
    #[error("it is not valid yet")]
    TooEarly,
    /// No `sub`, or an empty one.
    #[error("it names no subject")]
    Subject,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    /// RFC 7515 section 4.1.11: extensions that whoever does not know them must refuse.
    crit: Option<serde_json::Value>,
}

/// Times are seconds since the Unix epoch, perhaps with a fraction (RFC 7519 section 2).
#[derive(Deserialize)]
struct Claims {
    sub: Option<String>,
    exp: Option<f64>,
    nbf: Option<f64>,
}

/// The subject of a token that holds at `now`, in milliseconds since the Unix epoch.
///
/// The signature is compared in constant time, and before anything in the claims is looked at.
pub(crate) fn verify(token: &str, secret: &str, now: u64) -> Result<String, Refusal> {
    let (signed, signature) = token.rsplit_once('.').ok_or(Refusal::Malformed)?;
    let (header, claims) = signed.split_once('.').ok_or(Refusal::Malformed)?;
    let header: Header = part(header)?;
    if header.alg != "HS256" || header.crit.is_some() {
        return Err(Refusal::Algorithm);
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map_err(|_| Refusal::Signature)?;
    mac.update(signed.as_bytes());
    mac.verify_slice(&decode(signature)?).map_err(|_| Refusal::Signature)?;
    let claims: Claims = part(claims)?;
    let now = std::time::Duration::from_millis(now).as_secs_f64();
    if claims.exp.is_some_and(|exp| now >= exp) {
        return Err(Refusal::Expired);
    }
    if claims.nbf.is_some_and(|nbf| now < nbf) {
        return Err(Refusal::TooEarly);
    }
    claims.sub.filter(|sub| !sub.is_empty()).ok_or(Refusal::Subject)
}

fn part<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, Refusal> {
    serde_json::from_slice(&decode(text)?).map_err(|_| Refusal::Malformed)
}

fn decode(text: &str) -> Result<Vec<u8>, Refusal> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Refusal::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "a secret of the tests";
    const HS256: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

    fn sign(header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
        mac.update(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
    }

    fn at_ten_seconds(header: &str, claims: &str) -> Result<String, Refusal> {
        verify(&sign(header, claims), SECRET, 10_000)
    }

    #[test]
    fn the_token_of_jwt_io_holds() {
        // The example of https://jwt.io, signed elsewhere, with the secret that it shows.
        let token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c";
        assert_eq!(verify(token, "your-256-bit-secret", 0), Ok("1234567890".into()));
        assert_eq!(verify(token, "another secret", 0), Err(Refusal::Signature));
    }

    #[test]
    fn times_are_honoured_to_the_second_and_the_fraction() {
        assert_eq!(at_ten_seconds(HS256, r#"{"sub":"alice"}"#), Ok("alice".into()));
        assert_eq!(at_ten_seconds(HS256, r#"{"sub":"alice","exp":10.5,"nbf":10}"#), Ok("alice".into()));
        assert_eq!(at_ten_seconds(HS256, r#"{"sub":"alice","exp":10}"#), Err(Refusal::Expired));
        assert_eq!(at_ten_seconds(HS256, r#"{"sub":"alice","nbf":10.1}"#), Err(Refusal::TooEarly));
    }

    #[test]
    fn other_algorithms_are_refused_even_when_signed() {
        for header in
            [r#"{"alg":"none"}"#, r#"{"alg":"hs256"}"#, r#"{"alg":"RS256"}"#, r#"{"alg":"HS256","crit":["b64"]}"#]
        {
            assert_eq!(at_ten_seconds(header, r#"{"sub":"alice"}"#), Err(Refusal::Algorithm), "{header}");
        }
    }

    #[test]
    fn a_token_needs_a_subject() {
        assert_eq!(at_ten_seconds(HS256, "{}"), Err(Refusal::Subject));
        assert_eq!(at_ten_seconds(HS256, r#"{"sub":""}"#), Err(Refusal::Subject));
    }

    #[test]
    fn what_is_no_token_is_malformed() {
        for token in ["", "a", "a.b", "a.b.c", "..", "e30.e30.", "e30.e30.e30", "e30=.e30.e30"] {
            assert_eq!(verify(token, SECRET, 0), Err(Refusal::Malformed), "{token}");
        }
        assert_eq!(at_ten_seconds(HS256, "[]"), Err(Refusal::Malformed));
        assert_eq!(at_ten_seconds(HS256, r#"{"sub":1}"#), Err(Refusal::Malformed));
        assert_eq!(at_ten_seconds("{}", "{}"), Err(Refusal::Malformed));
    }

    #[test]
    fn a_changed_token_and_a_shortened_signature_are_refused() {
        let token = sign(HS256, r#"{"sub":"alice"}"#);
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let header = signed.split_once('.').unwrap().0;
        let changed = format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(r#"{"sub":"mallory"}"#));
        assert_eq!(verify(&changed, SECRET, 0), Err(Refusal::Signature));
        let shortened = format!("{signed}.{}", &signature[..4]);
        assert_eq!(verify(&shortened, SECRET, 0), Err(Refusal::Signature));
        assert_eq!(verify(&format!("{signed}."), SECRET, 0), Err(Refusal::Signature));
    }
}
