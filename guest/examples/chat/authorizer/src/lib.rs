//! The authorizer of the chat. It admits clients that have a JSON Web Token, signed with HMAC SHA-256 and the
//! configuration value `jwt-secret`.
//!
//! A client without a token is refused with status 401, one with an invalid token with status 403.
//!
//! - [`mod@bearer`]: lookup of the token in the handshake
//! - [`mod@token`]: verification of the token

mod bearer;
mod token;

use tidegate_guest::{Connection, Decision, Handshake, Result, authorizer, config};

/// The name of the configuration value with the secret that signs tokens.
const SECRET: &str = "jwt-secret";

#[authorizer]
fn authorize(connection: &Connection, handshake: &Handshake) -> Result<Decision> {
    let Some(token) = bearer::token(handshake) else { return Ok(Decision::Unauthorized) };
    let secret = config::require(SECRET)?;
    // The time of the connect is the present time, and spares the component the import of a clock.
    match token::verify(token, &secret, connection.connected_at) {
        Ok(user) => Ok(Decision::allow(user)),
        Err(refusal) => {
            eprintln!("refused a token: {refusal}");
            Ok(Decision::Deny)
        }
    }
}
