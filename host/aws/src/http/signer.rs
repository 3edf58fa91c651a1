//! Signature Version 4 for requests that no SDK client sends, with the SDK's signer.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html>

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;

/// The identity, service and Region for which requests are signed.
#[derive(Debug, Clone)]
pub(crate) struct Signer {
    /// The name of the service in the credential scope, for example `s3`.
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
    /// The body's digest, as the signature contains it.
    pub(crate) hashed: SignableBody<'a>,
}

impl Signer {
    /// Creates a signer for `service` in `region`.
    pub(crate) fn new(
        service: &'static str,
        credentials: Credentials,
        region: &str,
        settings: SigningSettings,
    ) -> Self {
        Self { service, credentials, region: region.to_owned(), settings }
    }

    /// Signs a request with the current time. The error is the reason why the request cannot be sent.
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

/// Returns the DNS suffix of a Region's endpoints.
///
/// <https://docs.aws.amazon.com/general/latest/gr/rande.html>
pub(crate) fn domain(region: &str) -> &'static str {
    if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" }
}

fn text(error: impl ToString) -> String {
    error.to_string()
}
