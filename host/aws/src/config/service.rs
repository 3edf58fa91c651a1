//! Requests of the AWS JSON protocol, version 1.1.
//!
//! <https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html>

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SigningSettings};
use aws_smithy_runtime_api::client::http::{HttpConnector as _, SharedHttpConnector};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tidegate_ports::Deadline;

use crate::failure::{NO_ANSWER, NO_CONNECTION, describe_error};
use crate::http::clock;
use crate::http::retry::{ATTEMPT, retry};
use crate::http::signer::{Signer, Unsigned, domain};

/// Error codes of throttled requests.
const THROTTLES: [&str; 3] = ["ThrottlingException", "Throttling", "TooManyUpdates"];

/// One service at its endpoint.
#[derive(Debug, Clone)]
pub(super) struct Service {
    connector: SharedHttpConnector,
    signer: Signer,
    endpoint: String,
}

/// The failure of a request.
pub(super) struct Refusal {
    /// The error code. Empty if the response has none.
    pub(super) kind: String,
    /// The error code and message, or the reason for the missing response.
    pub(super) reason: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Refused {
    #[serde(rename = "__type")]
    kind: String,
    #[serde(alias = "Message")]
    message: String,
}

/// A failed attempt.
enum Failure {
    /// A later attempt may succeed.
    Temporary(String),
    /// Later attempts would fail too.
    Permanent(Refusal),
}

impl Service {
    /// Creates a client for the service `name`, which uses the default endpoint unless `endpoint` is given.
    pub(super) fn new(
        name: &'static str,
        connector: SharedHttpConnector,
        credentials: Credentials,
        region: &str,
        endpoint: Option<&str>,
    ) -> Self {
        let endpoint = match endpoint {
            Some(endpoint) => endpoint.trim_end_matches('/').to_owned(),
            None => format!("https://{name}.{region}.{}", domain(region)),
        };
        Self { connector, signer: Signer::new(name, credentials, region, SigningSettings::default()), endpoint }
    }

    /// Sends a read-only request. Retries it after temporary failures until the deadline.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        target: &'static str,
        request: &impl Serialize,
        deadline: Deadline,
    ) -> Result<T, Refusal> {
        let body = serde_json::to_vec(request).map_err(|error| Refusal::without_code(error.to_string()))?;
        let attempt = || self.attempt(target, &body);
        let no_answer = |_| Failure::Temporary(NO_ANSWER.to_owned());
        let answer =
            retry(ATTEMPT, deadline, attempt, no_answer, |failure| matches!(failure, Failure::Temporary(_))).await;
        answer.map_err(|failure| match failure {
            Failure::Permanent(refusal) => refusal,
            Failure::Temporary(reason) => Refusal::without_code(reason),
        })
    }

    async fn attempt<T: DeserializeOwned>(&self, target: &'static str, body: &[u8]) -> Result<T, Failure> {
        let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target)];
        let hashed = SignableBody::Bytes(body);
        let request =
            Unsigned { method: "POST", url: &self.endpoint, headers: &headers, body: SdkBody::from(body), hashed };
        let request = self.signer.sign(request).map_err(|reason| Failure::Permanent(Refusal::without_code(reason)))?;
        let answer = self.connector.call(request).await;
        let answer = answer.map_err(|_| Failure::Temporary(NO_CONNECTION.to_owned()))?;
        let status = answer.status().as_u16();
        let body = ByteStream::new(answer.into_body()).collect().await;
        let body = body.map_err(|_| Failure::Temporary(NO_CONNECTION.to_owned()))?.into_bytes();
        if status == 200 {
            return serde_json::from_slice(&body)
                .map_err(|error| Failure::Temporary(format!("the answer is not valid: {error}")));
        }
        Err(refused(status, &serde_json::from_slice(&body).unwrap_or_default()))
    }
}

impl Refusal {
    fn without_code(reason: String) -> Self {
        Self { kind: String::new(), reason }
    }
}

fn refused(status: u16, refused: &Refused) -> Failure {
    let kind = refused.kind.rsplit('#').next().unwrap_or_default();
    let reason = describe_error(status, kind, &refused.message);
    if status >= 500 || status == 429 || clock::is_skewed(kind, &refused.message) || THROTTLES.contains(&kind) {
        Failure::Temporary(reason)
    } else {
        Failure::Permanent(Refusal { kind: kind.to_owned(), reason })
    }
}
