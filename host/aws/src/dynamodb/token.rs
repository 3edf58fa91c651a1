//! Random tokens, and digests of cursors.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::failure::Failure;

/// The length of a cursor's digest. The digest prevents a cursor of one listing from being accepted by another by
/// accident. A forged cursor is useless, because it only selects a position in a listing that its caller may read.
const DIGEST_BYTES: usize = 12;

/// Returns 128 random bits as 22 characters.
pub(crate) fn random() -> Result<String, Failure> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        tracing::error!(%error, "the system has no random bytes");
        Failure::Refused("the system has no random bytes".to_owned())
    })?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// Encodes a cursor for `position` in the listing that `scope` describes.
pub(crate) fn cursor(scope: &[&str], position: &str) -> String {
    let mut bytes = digest(scope, position).to_vec();
    bytes.extend_from_slice(position.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Decodes the position of a cursor. Returns `None` if [`cursor`] did not create it for the same scope.
pub(crate) fn position(scope: &[&str], text: &str) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (found, position) = bytes.split_at_checked(DIGEST_BYTES)?;
    let position = std::str::from_utf8(position).ok()?;
    (found == digest(scope, position)).then(|| position.to_owned())
}

fn digest(scope: &[&str], position: &str) -> [u8; DIGEST_BYTES] {
    let mut hash = Sha256::new();
    for part in scope.iter().chain([&position]) {
        // The length distinguishes the parts `a`, `bc` from `ab`, `c`.
        hash.update(part.len().to_be_bytes());
        hash.update(part.as_bytes());
    }
    let full = hash.finalize();
    let mut digest = [0; DIGEST_BYTES];
    for (to, from) in digest.iter_mut().zip(full) {
        *to = from;
    }
    digest
}
