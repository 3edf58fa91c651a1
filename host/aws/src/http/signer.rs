//! Requests that no SDK client makes, signed by the SDK's own signer.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html>

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;

/// Who asks, and what for.
#[derive(Debug, Clone)]
pub(crate) struct Signer {
    /// As requests are signed for it.
    service: &'static str,
    credentials: Credentials,
    region: String,
    settings: SigningSettings,
}

/// A request before it is signed.
pub(crate) struct Unsigned<'a> {
    pub(crate) method: &'static str,
    pub(crate) url: &'a str,
    pub(crate) headers: &'a [(&'static str, &'a str)],
    pub(crate) body: SdkBody,
    /// What the signature says of the body.
    pub(crate) hashed: SignableBody<'a>,
}

impl Signer {
    /// Signs for `service` in `region`.
    pub(crate) fn new(
        service: &'static str,
        credentials: Credentials,
        region: &str,
        settings: SigningSettings,
    ) -> Self {
        Self { service, credentials, region: region.to_owned(), settings }
    }

    /// The request, signed now; or why it is none.
    pub(crate) fn sign(&self, unsigned: Unsigned<'_>) -> Result<HttpRequest, String> {
        let Unsigned { method, url, headers, body, hashed } = unsigned;
        let identity = self.credentials.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(self.service)
            .time(SystemTime::now())
            .settings(self.settings.clone())
            .build()
            .map_err(text)?
            .into();
        let signable = SignableRequest::new(method, url, headers.iter().copied(), hashed).map_err(text)?;
        let (instructions, _) = sign(signable, &params).map_err(text)?.into_parts();
        let mut request = HttpRequest::new(body);
        request.set_method(method).map_err(text)?;
        request.set_uri(url).map_err(text)?;
        for (name, value) in headers.iter().copied().chain(instructions.headers()) {
            request.headers_mut().try_insert(name.to_owned(), value.to_owned()).map_err(text)?;
        }
        Ok(request)
    }
}

/// Where a Region's endpoints are.
///
/// <https://docs.aws.amazon.com/general/latest/gr/rande.html>
pub(crate) fn domain(region: &str) -> &'static str {
    if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" }
}

fn text(error: impl ToString) -> String {
    error.to_string()
}
