//! A secret in the path of a URL.

use std::fmt;
use std::io;

use subtle::ConstantTimeEq as _;

use crate::keys::random;

/// The number of random bytes in a secret.
const BYTES: usize = 32;

/// A secret that is the first segment of the path of every request. Its debug text is empty.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Makes a secret.
    ///
    /// # Errors
    /// The operating system has no random numbers.
    pub fn random() -> io::Result<Self> {
        Ok(Self(random(BYTES)?))
    }

    /// Returns the text of the secret.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Returns the rest of a path that begins with the secret, or `None`. Takes the same time for every wrong secret of
    /// the same length.
    #[must_use]
    pub fn strip<'a>(&self, path: &'a str) -> Option<&'a str> {
        let path = path.strip_prefix('/')?;
        let end = path.find('/')?;
        let (given, rest) = path.split_at_checked(end)?;
        bool::from(given.as_bytes().ct_eq(self.0.as_bytes())).then_some(rest)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_that_begin_with_the_secret_are_accepted() {
        let secret = Secret::random().unwrap();
        let text = secret.reveal().to_owned();
        assert_eq!(text.len(), 64);
        assert_eq!(secret.strip(&format!("/{text}/2018-06-01/next")), Some("/2018-06-01/next"));
        assert_eq!(secret.strip(&format!("/{text}/")), Some("/"));
        let other = Secret::random().unwrap().reveal().to_owned();
        let upper = text.to_ascii_uppercase();
        let wrong = ["", "/", "/2018-06-01/next", "//2018-06-01/next", &format!("/{text}"), &format!("{text}/next")];
        for path in wrong.into_iter().chain([
            &*format!("/{other}/next"),
            &format!("/{text}x/next"),
            &format!("/{}/next", &text[1..]),
            &format!("/x/{text}/next"),
            &format!("//{text}/next"),
        ]) {
            assert_eq!(secret.strip(path), None, "{path}");
        }
        assert!(upper == text || secret.strip(&format!("/{upper}/next")).is_none());
        assert!(!format!("{secret:?}").contains(&text));
    }
}
