use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use tidegate_app::keys::{Key, Keys, PublicKey, PublicKeyError};

use super::*;

/// A key and its signature over one byte: RFC 8032, section 7.1, test 2.
const SEED: &str = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
const SIGNATURE: &str = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                         085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";

#[test]
fn signatures_match_rfc_8032() {
    let key = SigningKey::from_pem(&encode_pem(&from_hex(SEED).unwrap())).unwrap();
    assert_eq!(hex::encode(key.sign(&[0x72])), SIGNATURE);
    assert!(verifies(&key.public_key(), &[0x72], &key.sign(&[0x72])));
    assert!(!verifies(&key.public_key(), &[0x73], &key.sign(&[0x72])));
    assert!(!verifies(&SigningKey::generate().unwrap().public_key(), &[0x72], &key.sign(&[0x72])));
}

/// A private key in both versions of PKCS#8 and its public key: RFC 8410, section 10.3.
#[test]
fn pem_files_match_rfc_8410() {
    let version_1 = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
                     -----END PRIVATE KEY-----\n";
    let version_2 = "-----BEGIN PRIVATE KEY-----\nMHICAQEwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
                     oB8wHQYKKoZIhvcNAQkJFDEPDA1DdXJkbGUgQ2hhaXJzgSEAGb9ECWmEzf6FQbrB\nZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
                     -----END PRIVATE KEY-----\n";
    let public = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=";
    for text in [version_1, version_2] {
        let key = SigningKey::from_pem(text).unwrap();
        assert_eq!(key.public_key().to_string(), public);
        assert_eq!(key.to_pem(), text);
    }
    let seed = from_hex("d4ee72dbf913584ad5b6d8f1f769f8ad3afe7c28cbf1d4fbe097a88f44755842").unwrap();
    assert_eq!(encode_pem(&seed), version_1);
    assert_eq!(public.parse::<PublicKey>().unwrap().to_string(), public);
}

#[test]
fn invalid_keys_are_refused() {
    let key = SigningKey::generate().unwrap();
    let pem = key.to_pem();
    for wrong in ["", "PRIVATE KEY", &pem.replace("PRIVATE", "PUBLIC"), &pem.replace("MC4", "MC5"), &pem[..80]] {
        assert_eq!(SigningKey::from_pem(wrong).unwrap_err(), KeyError::Private, "{wrong}");
    }
    let base64 = pem.lines().nth(1).unwrap();
    for (wrong, found) in [
        ("", "an empty text"),
        ("MCowBQYDK2VwAyEA", "another value"),
        ("MCowBQYDK2VuAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=", "another value"),
        ("not base64", "a text that is not base64"),
        (base64, "a private key, which belongs in no manifest,"),
        (pem, "a private key, which belongs in no manifest,"),
        (&BASE64.encode(pem), "a private key, which belongs in no manifest,"),
    ] {
        let error = wrong.parse::<PublicKey>().unwrap_err();
        assert_eq!(error, PublicKeyError { found });
        assert!(wrong.len() < 30 || !error.to_string().contains(wrong), "{error}");
    }
}

#[test]
fn stages_trust_the_signatures_of_their_keys_until_they_are_revoked() {
    let (ci, old, stranger) =
        (SigningKey::generate().unwrap(), SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let key = |key: &SigningKey, stages: &[&str], revoked| Key {
        public_key: key.public_key(),
        stages: stages.iter().map(|stage| (*stage).to_owned()).collect(),
        revoked,
    };
    let keys = Keys(
        [
            ("ci".to_owned(), key(&ci, &["dev", "prod"], false)),
            ("old".to_owned(), key(&old, &["dev", "prod"], true)),
            // A revoked key under another name stays revoked.
            ("again".to_owned(), key(&old, &["prod"], false)),
        ]
        .into(),
    );
    let prod = TrustedKeys::of_stage(&keys, "prod");
    let id = |key: &SigningKey| Some(KeyId::of(&key.public_key()));
    // A hint that is missing, unknown or wrong does not matter.
    for hint in [id(&ci), None, id(&stranger), id(&old)] {
        assert_eq!(prod.verify(hint, b"m", &ci.sign(b"m")), Trust::Trusted("ci"), "{hint:?}");
        assert_eq!(prod.verify(hint, b"m", &old.sign(b"m")) == Trust::Mismatched("ci"), hint == id(&ci));
    }
    for hint in [id(&old), None, id(&stranger)] {
        assert_eq!(prod.verify(hint, b"m", &old.sign(b"m")), Trust::Revoked("old"), "{hint:?}");
    }
    for hint in [None, id(&stranger)] {
        assert_eq!(prod.verify(hint, b"m", &stranger.sign(b"m")), Trust::Unknown);
        assert_eq!(prod.verify(hint, b"m", b""), Trust::Unknown);
        assert_eq!(prod.verify(hint, b"m", &ci.sign(b"other")), Trust::Unknown);
    }
    assert_eq!(prod.verify(id(&ci), b"m", &ci.sign(b"other")), Trust::Mismatched("ci"));
    let stage = TrustedKeys::of_stage(&keys, "stage");
    assert_eq!(stage.verify(id(&ci), b"m", &ci.sign(b"m")), Trust::Unknown);
    assert!(stage.is_empty());
}
