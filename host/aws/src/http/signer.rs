//! Signature Version 4 for requests that no SDK client sends, with the SDK's signer.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html>

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use futures_util::FutureExt as _;

/// The DNS suffix of a Region that the SDK has no endpoint for, for example an emulator's.
const DEFAULT_DOMAIN: &str = "amazonaws.com";

use crate::http::clock;

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

    /// Signs a request with the time of AWS. The error is the reason why the request cannot be sent.
    pub(crate) fn sign(&self, unsigned: Unsigned<'_>) -> Result<HttpRequest, String> {
        let Unsigned { method, url, headers, body, hashed } = unsigned;
        let identity = self.credentials.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(self.service)
            .time(clock::now())
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

/// Returns the DNS suffix of a Region's endpoints, for example `amazonaws.com`.
///
/// Each partition has its own suffix. The SDK's data about partitions is private, so the suffix is taken from the
/// endpoint of DynamoDB that the SDK resolves.
///
/// <https://docs.aws.amazon.com/general/latest/gr/rande.html>
pub(crate) fn domain(region: &str) -> String {
    suffix_of_partition(region).unwrap_or_else(|| DEFAULT_DOMAIN.to_owned())
}

fn suffix_of_partition(region: &str) -> Option<String> {
    let resolver = DefaultResolver::new();
    let params = Params::builder().region(region).build().ok()?;
    let endpoint = ResolveEndpoint::resolve_endpoint(&resolver, &params).now_or_never()?.ok()?;
    let suffix = endpoint.url().strip_prefix("https://dynamodb.")?.strip_prefix(region)?.strip_prefix('.')?;
    Some(suffix.to_owned())
}

fn text(error: impl ToString) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_partition_has_its_dns_suffix() {
        for (region, suffix) in [
            ("eu-west-1", "amazonaws.com"),
            ("mx-central-1", "amazonaws.com"),
            ("us-gov-west-1", "amazonaws.com"),
            ("cn-north-1", "amazonaws.com.cn"),
            ("eusc-de-east-1", "amazonaws.eu"),
            ("us-iso-east-1", "c2s.ic.gov"),
            ("us-isob-east-1", "sc2s.sgov.gov"),
            ("eu-isoe-west-1", "cloud.adc-e.uk"),
            ("us-isof-south-1", "csp.hci.ic.gov"),
            // Regions that the SDK does not know yet belong to the partition that their names match.
            ("eu-south-9", "amazonaws.com"),
            ("cn-south-9", "amazonaws.com.cn"),
            ("eusc-de-west-9", "amazonaws.eu"),
            // Emulators.
            ("local", "amazonaws.com"),
            ("", "amazonaws.com"),
        ] {
            assert_eq!(domain(region), suffix, "{region}");
        }
    }
}
