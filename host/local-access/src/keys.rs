//! AWS access keys that are made for one run.

use std::io;

use aws_credential_types::Credentials;

/// The number of random bytes in a secret access key, which AWS writes with 40 characters.
const SECRET_BYTES: usize = 20;
/// The number of random bytes in a session token.
const TOKEN_BYTES: usize = 32;
/// The source in the debug text of the credentials.
const PROVIDER: &str = "this run";

/// The access keys with which a server may be called. Their debug text contains no secret.
#[derive(Debug, Clone, Default)]
pub struct Keys(Vec<Credentials>);

impl Keys {
    /// Accepts these credentials.
    #[must_use]
    pub fn new(accepted: Vec<Credentials>) -> Self {
        Self(accepted)
    }

    /// Returns the credentials with an access key id.
    pub(crate) fn find(&self, access_key_id: &str) -> Option<&Credentials> {
        self.0.iter().find(|credentials| credentials.access_key_id() == access_key_id)
    }
}

/// Makes credentials like those of an IAM user, which have no session token.
///
/// # Errors
/// The operating system has no random numbers.
pub fn for_a_user() -> io::Result<Credentials> {
    Ok(Credentials::new(format!("AKIA{}", id()?), random(SECRET_BYTES)?, None, None, PROVIDER))
}

/// Makes credentials like those of a function's role, which have a session token.
///
/// # Errors
/// The operating system has no random numbers.
pub fn for_a_function() -> io::Result<Credentials> {
    let token = random(TOKEN_BYTES)?;
    Ok(Credentials::new(format!("ASIA{}", id()?), random(SECRET_BYTES)?, Some(token), None, PROVIDER))
}

/// Returns 16 characters for an access key id.
fn id() -> io::Result<String> {
    Ok(random(8)?.to_ascii_uppercase())
}

/// Returns random bytes in hexadecimal digits, which need no quotes in a shell or a URL.
pub(crate) fn random(bytes: usize) -> io::Result<String> {
    let mut random = vec![0; bytes];
    getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(hex::encode(random))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_form_of_aws_and_are_never_shown() {
        let user = for_a_user().unwrap();
        assert_eq!((user.access_key_id().len(), user.secret_access_key().len()), (20, 40));
        assert_eq!(user.session_token(), None);
        let function = for_a_function().unwrap();
        assert_ne!(user.secret_access_key(), for_a_user().unwrap().secret_access_key());
        let token = function.session_token().unwrap().to_owned();
        let shown = format!("{:?}", Keys::new(vec![user.clone(), function.clone()]));
        for secret in [user.secret_access_key(), function.secret_access_key(), &token] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
