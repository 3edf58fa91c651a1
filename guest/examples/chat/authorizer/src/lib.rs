//! Lets clients with a token in: a JSON Web Token, signed with HMAC SHA-256 and the secret `jwt-secret`.
//!
//! Without a token the answer is 401, with one that does not hold 403.
//!
//! - [`mod@bearer`]: where a client puts its token
//! - [`mod@token`]: the token, and when it holds

mod bearer;
mod token;

use tidegate_guest::{Connection, Decision, Handshake, Result, authorizer, config};

/// The configuration value that signs tokens.
const SECRET: &str = "jwt-secret";

#[authorizer]
fn authorize(connection: &Connection, handshake: &Handshake) -> Result<Decision> {
    let Some(token) = bearer::token(handshake) else { return Ok(Decision::Unauthorized) };
    let secret = config::require(SECRET)?;
    // The client connects now.
    match token::verify(token, &secret, connection.connected_at) {
        Ok(user) => Ok(Decision::allow(user)),
        Err(refusal) => {
            eprintln!("refused a token: {refusal}");
            Ok(Decision::Deny)
        }
    }
}
