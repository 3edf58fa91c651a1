//! `tidegate token`: HS256 JSON Web Tokens (RFC 7519) for the app's authorizer, for development.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::Sha256;
use tidegate_app::Manifest;
use tidegate_app::unused::JWT_SECRET as SECRET;
use tidegate_diagnostic::{Code, Diagnose as _, Diagnostic};
use tidegate_event::Timestamp;

use crate::args;
use crate::dev::config;
use crate::ui::error::Result;
use crate::ui::terminal::out;

/// Prints only a token on standard output.
///
/// # Errors
/// The app has no `jwt-secret`.
pub(crate) fn run(args: &args::Token) -> Result<()> {
    let manifest = Manifest::load(&args.app)?;
    let lifetime = Duration::from_secs(args.expires_in);
    let token = sign(&config::values(&manifest)?, &args.user, lifetime)?.ok_or_else(|| {
        let why = format!("the app has no configuration value `{SECRET}`");
        Diagnostic::new(Code::JwtSecretMissing, "cannot sign a token", why)
            .hint(format!("set `{SECRET}` under `[config]` in `tidegate.toml`, or `JWT_SECRET` in `.env` beside it"))
    })?;
    out!("{token}");
    Ok(())
}

/// Returns a token for `user`, or `None` if the configuration has no secret for signing it.
///
/// # Errors
/// The secret is not a valid key.
pub(crate) fn sign(config: &BTreeMap<String, String>, user: &str, lifetime: Duration) -> Result<Option<String>> {
    let Some(secret) = config.get(SECRET) else { return Ok(None) };
    let now = Timestamp::now();
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let claims = json!({ "sub": user, "iat": now.seconds(), "exp": now.saturating_add(lifetime).seconds() });
    let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())
        .diagnose(Code::JwtSecretMissing, || format!("cannot sign with the configuration value `{SECRET}`"))?;
    mac.update(signed.as_bytes());
    Ok(Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))))
}
