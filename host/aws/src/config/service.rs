//! Requests to one service in AWS's JSON protocol, version 1.1.
//!
//! <https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html>

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SigningSettings};
use aws_smithy_runtime_api::client::http::{HttpConnector as _, SharedHttpConnector};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tidegate_ports::Deadline;

use crate::attempt::Backoff;
use crate::signer::{Signer, Unsigned, domain};

/// The longest wait for one answer; reading may be repeated.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(1);
/// Names of the error that says that there were too many requests.
const THROTTLES: [&str; 3] = ["ThrottlingException", "Throttling", "TooManyUpdates"];

/// A service at its endpoint.
#[derive(Debug, Clone)]
pub(super) struct Service {
    connector: SharedHttpConnector,
    signer: Signer,
    endpoint: String,
}

/// Why a call was given up.
pub(super) struct Refusal {
    /// The error's name, empty when the service gave none.
    pub(super) kind: String,
    /// The name and what was said.
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

/// Why one attempt failed.
enum Failure {
    Passing(String),
    Lasting(Refusal),
}

impl Service {
    /// The service `name`, at its own endpoint when `endpoint` is none.
    pub(super) fn new(
        name: &'static str,
        connector: SharedHttpConnector,
        credentials: Credentials,
        region: &str,
        endpoint: Option<&str>,
    ) -> Self {
        let own = || format!("https://{name}.{region}.{}", domain(region));
        let endpoint = endpoint.map_or_else(own, |given| given.trim_end_matches('/').to_owned());
        Self { connector, signer: Signer::new(name, credentials, region, SigningSettings::default()), endpoint }
    }

    /// Sends a request that changes nothing, again after what may pass, until the deadline.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        target: &'static str,
        request: &impl Serialize,
        deadline: Deadline,
    ) -> Result<T, Refusal> {
        let body = serde_json::to_vec(request).map_err(|error| Refusal::of(error.to_string()))?;
        let mut backoff = Backoff::default();
        loop {
            let time = deadline.remaining().min(ATTEMPT_TIMEOUT);
            let failure = match tokio::time::timeout(time, self.attempt(target, &body)).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(Failure::Lasting(refusal))) => return Err(refusal),
                Ok(Err(Failure::Passing(reason))) => reason,
                Err(_) => "no answer in time".to_owned(),
            };
            if !backoff.pause(deadline).await {
                return Err(Refusal::of(failure));
            }
        }
    }

    async fn attempt<T: DeserializeOwned>(&self, target: &'static str, body: &[u8]) -> Result<T, Failure> {
        let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target)];
        let hashed = SignableBody::Bytes(body);
        let request =
            Unsigned { method: "POST", url: &self.endpoint, headers: &headers, body: SdkBody::from(body), hashed };
        let request = self.signer.sign(request).map_err(|reason| Failure::Lasting(Refusal::of(reason)))?;
        let answer = self.connector.call(request).await;
        let answer = answer.map_err(|_| Failure::Passing("the connection failed".to_owned()))?;
        let status = answer.status().as_u16();
        let body = ByteStream::new(answer.into_body()).collect().await;
        let body = body.map_err(|_| Failure::Passing("the connection failed".to_owned()))?.into_bytes();
        if status == 200 {
            return serde_json::from_slice(&body)
                .map_err(|error| Failure::Passing(format!("the answer makes no sense: {error}")));
        }
        Err(refused(status, &serde_json::from_slice(&body).unwrap_or_default()))
    }
}

impl Refusal {
    fn of(reason: String) -> Self {
        Self { kind: String::new(), reason }
    }
}

fn refused(status: u16, refused: &Refused) -> Failure {
    let kind = refused.kind.rsplit('#').next().unwrap_or_default();
    let reason = match kind {
        "" => format!("status {status}"),
        kind => format!("{kind}: {}", refused.message),
    };
    if status >= 500 || status == 429 || THROTTLES.contains(&kind) {
        Failure::Passing(reason)
    } else {
        Failure::Lasting(Refusal { kind: kind.to_owned(), reason })
    }
}
