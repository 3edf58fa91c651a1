use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jwt_compact::{Algorithm as _, AlgorithmSignature as _};

use super::*;

const SECRET: &str = "a secret of the tests";
const HS256: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

fn sign(header: &str, claims: impl AsRef<[u8]>) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = Hs256.sign(&Hs256Key::new(SECRET), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_bytes()))
}

fn verify_at_ten_seconds(header: &str, claims: impl AsRef<[u8]>) -> Result<String, Refusal> {
    verify(&sign(header, claims), SECRET, 10_000)
}

#[test]
fn token_that_was_signed_elsewhere_is_valid() {
    // Made with Python's hmac module: the claims of the example at https://jwt.io, and an `exp` of 1516242622.
    let token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyLCJleHAiOjE1MTYyNDI2MjJ9.9a-M11z1gNExD32ib63HZU93KFwMMUAXJjOuMAxEZUQ";
    assert_eq!(verify(token, SECRET, 1_516_242_621_999), Ok("1234567890".into()));
    assert_eq!(verify(token, SECRET, 1_516_242_622_000), Err(Refusal::Expired));
    assert_eq!(verify(token, "another secret", 0), Err(Refusal::Signature));
}

#[test]
fn token_of_jwt_io_has_a_valid_signature_and_no_expiry() {
    // The example of https://jwt.io, with the secret that the page shows.
    let token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c";
    assert_eq!(verify(token, "your-256-bit-secret", 0), Err(Refusal::NoExpiry));
    assert_eq!(verify(token, "another secret", 0), Err(Refusal::Signature));
}

#[test]
fn times_have_no_leeway() {
    assert_eq!(verify_at_ten_seconds(HS256, r#"{"sub":"alice","exp":11}"#), Ok("alice".into()));
    assert_eq!(verify_at_ten_seconds(HS256, r#"{"sub":"alice","exp":11,"nbf":10}"#), Ok("alice".into()));
    assert_eq!(verify_at_ten_seconds(HS256, r#"{"sub":"alice","exp":10}"#), Err(Refusal::Expired));
    assert_eq!(verify_at_ten_seconds(HS256, r#"{"sub":"alice","exp":-1}"#), Err(Refusal::Expired));
    assert_eq!(verify_at_ten_seconds(HS256, r#"{"sub":"alice","exp":20,"nbf":11}"#), Err(Refusal::TooEarly));
    let token = sign(HS256, r#"{"sub":"alice","exp":11,"nbf":10}"#);
    assert_eq!(verify(&token, SECRET, 9_999), Err(Refusal::TooEarly));
    assert_eq!(verify(&token, SECRET, 10_999), Ok("alice".into()));
    assert_eq!(verify(&token, SECRET, 11_000), Err(Refusal::Expired));
}

#[test]
fn fractions_of_a_second_are_dropped() {
    assert_eq!(verify_at_ten_seconds(HS256, r#"{"sub":"alice","exp":10.5}"#), Err(Refusal::Expired));
    assert_eq!(verify_at_ten_seconds(HS256, r#"{"sub":"alice","exp":11.5,"nbf":11.1}"#), Err(Refusal::TooEarly));
    assert_eq!(verify_at_ten_seconds(HS256, r#"{"sub":"alice","exp":11.5,"nbf":10.1}"#), Ok("alice".into()));
}

#[test]
fn other_algorithms_are_refused_even_when_signed() {
    for header in [r#"{"alg":"none"}"#, r#"{"alg":"None"}"#, r#"{"alg":"hs256"}"#, r#"{"alg":"RS256"}"#] {
        let claims = r#"{"sub":"alice","exp":11}"#;
        assert_eq!(verify_at_ten_seconds(header, claims), Err(Refusal::Algorithm), "{header}");
        let token = format!("{}.{}.", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        assert_eq!(verify(&token, SECRET, 10_000), Err(Refusal::Algorithm), "{header}, without a signature");
    }
}

#[test]
fn critical_extension_is_refused() {
    let header = r#"{"alg":"HS256","crit":["b64"]}"#;
    assert_eq!(verify_at_ten_seconds(header, r#"{"sub":"alice","exp":11}"#), Err(Refusal::Extension));
}

#[test]
fn token_needs_an_expiry_and_a_subject() {
    assert_eq!(verify_at_ten_seconds(HS256, r#"{"sub":"alice"}"#), Err(Refusal::NoExpiry));
    assert_eq!(verify_at_ten_seconds(HS256, r#"{"exp":11}"#), Err(Refusal::NoSubject));
    assert_eq!(verify_at_ten_seconds(HS256, r#"{"sub":"","exp":11}"#), Err(Refusal::NoSubject));
}

#[test]
fn malformed_tokens_are_refused() {
    let of_two_segments = sign(HS256, r#"{"sub":"alice","exp":11}"#).rsplit_once('.').unwrap().0.to_owned();
    let of_four_segments = format!("{}.AAAA", sign(HS256, r#"{"sub":"alice","exp":11}"#));
    let texts = ["", "a", "a.b", "a.b.c", "..", "e30.e30.", "e30.e30.e30", "e30=.e30.e30", "größe.e30.e30"];
    for token in texts.into_iter().chain([of_two_segments.as_str(), of_four_segments.as_str()]) {
        assert_eq!(verify(token, SECRET, 0), Err(Refusal::Malformed), "{token}");
    }
    for claims in ["[]", "{", r#"{"sub":1}"#, r#"{"sub":"alice","exp":"11"}"#, r#"{"sub":"alice","exp":1e300}"#] {
        assert_eq!(verify_at_ten_seconds(HS256, claims), Err(Refusal::Malformed), "{claims}");
    }
    assert_eq!(verify_at_ten_seconds("{}", "{}"), Err(Refusal::Malformed));
}

#[test]
fn claims_that_are_not_utf_8_are_malformed() {
    assert_eq!(verify_at_ten_seconds(HS256, b"{\"sub\":\"al\xffice\",\"exp\":11}"), Err(Refusal::Malformed));
    assert_eq!(verify_at_ten_seconds(HS256, [0xff]), Err(Refusal::Malformed));
}

#[test]
fn tampered_tokens_are_refused() {
    let token = sign(HS256, r#"{"sub":"alice","exp":11}"#);
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let header = signed.split_once('.').unwrap().0;
    let changed = format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(r#"{"sub":"mallory","exp":11}"#));
    assert_eq!(verify(&changed, SECRET, 0), Err(Refusal::Signature));
    let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    bytes[31] ^= 1;
    let tampered = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(&bytes));
    assert_eq!(verify(&tampered, SECRET, 0), Err(Refusal::Signature));
    let shortened = format!("{signed}.{}", &signature[..4]);
    assert_eq!(verify(&shortened, SECRET, 0), Err(Refusal::Signature));
    assert_eq!(verify(&format!("{signed}."), SECRET, 0), Err(Refusal::Signature));
}

#[test]
fn huge_tokens_are_refused() {
    const BYTES: usize = 1 << 20;
    assert_eq!(verify(&"a".repeat(BYTES), SECRET, 0), Err(Refusal::Malformed));
    assert_eq!(verify(&".".repeat(BYTES), SECRET, 0), Err(Refusal::Malformed));
    assert_eq!(verify_at_ten_seconds(HS256, "[".repeat(BYTES)), Err(Refusal::Malformed));
    let token = sign(HS256, r#"{"sub":"alice","exp":11}"#);
    let (signed, _) = token.rsplit_once('.').unwrap();
    assert_eq!(verify(&format!("{signed}.{}", "A".repeat(BYTES)), SECRET, 0), Err(Refusal::Signature));
}
