//! Requests in the AWS Query protocol: a signed form, with a response in XML.
//!
//! The SDK's client for CloudFormation takes minutes to compile, and a lookup needs three requests. See
//! `docs/adr/0014-the-stack-is-read-without-the-cloudformation-client.md`.
//!
//! <https://smithy.io/2.0/aws/protocols/aws-query-protocol.html>

use std::cell::Cell;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SigningSettings};
use aws_smithy_runtime_api::client::http::{HttpConnector as _, SharedHttpConnector};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use quick_xml::de;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tidegate_diagnostic::chain;
use tidegate_ports::Deadline;

use crate::http::clock;
use crate::http::retry::retry;
use crate::http::signer::{Signer, Unsigned};

/// The time limit of one attempt.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
/// The number of attempts for a request that may succeed on a retry, as in the SDK's standard retry mode.
const ATTEMPTS: usize = 3;
/// Error codes of throttled requests.
const THROTTLES: [&str; 3] = ["Throttling", "ThrottlingException", "RequestLimitExceeded"];

/// One service at its endpoint.
pub(super) struct QueryService {
    version: &'static str,
    connector: SharedHttpConnector,
    signer: Signer,
    url: String,
    deadline: Deadline,
}

/// The failure of a request.
pub(super) enum QueryError {
    /// There was no response, for this reason.
    Unreachable(String),
    /// The response is not in the format of this protocol.
    Invalid { status: u16 },
    /// An error response from the service.
    Refused { status: u16, code: String, message: String },
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ErrorResponse {
    error: ErrorDetail,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ErrorDetail {
    code: String,
    #[serde(default)]
    message: String,
}

impl QueryService {
    /// Creates a client that signs for the service `name` and sends to `url` until `deadline`.
    pub(super) fn new(
        name: &'static str,
        version: &'static str,
        connector: SharedHttpConnector,
        credentials: Credentials,
        region: &str,
        url: &str,
        deadline: Deadline,
    ) -> Self {
        let signer = Signer::new(name, credentials, region, SigningSettings::default());
        let url = format!("{}/", url.trim_end_matches('/'));
        Self { version, connector, signer, url, deadline }
    }

    /// Sends a read-only request. Retries it after temporary failures.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        action: &str,
        parameters: &[(&str, &str)],
    ) -> Result<T, QueryError> {
        // Names of actions, versions and stacks need no encoding in a form.
        let mut form = format!("Action={action}&Version={}", self.version);
        for (name, value) in parameters {
            form.push_str(&format!("&{name}={value}"));
        }
        let attempts = Cell::new(0);
        let attempt = || {
            attempts.set(attempts.get() + 1);
            self.attempt(&form)
        };
        let no_answer = |_| QueryError::Unreachable("no answer in time".to_owned());
        let may_repeat = |error: &QueryError| attempts.get() < ATTEMPTS && error.is_temporary();
        retry(ATTEMPT_TIMEOUT, self.deadline, attempt, no_answer, may_repeat).await
    }

    async fn attempt<T: DeserializeOwned>(&self, form: &str) -> Result<T, QueryError> {
        let request = self.signer.sign(Unsigned {
            method: "POST",
            url: &self.url,
            headers: &[("content-type", "application/x-www-form-urlencoded")],
            body: SdkBody::from(form),
            hashed: SignableBody::Bytes(form.as_bytes()),
        });
        let request = request.map_err(QueryError::Unreachable)?;
        let answer = self.connector.call(request).await;
        let answer = answer.map_err(|error| QueryError::Unreachable(chain(&error)))?;
        let status = answer.status().as_u16();
        let body = ByteStream::new(answer.into_body()).collect().await;
        let body = body.map_err(|error| QueryError::Unreachable(chain(&error)))?.into_bytes();
        let text = String::from_utf8_lossy(&body);
        if status == 200 {
            return de::from_str(&text).map_err(|_| QueryError::Invalid { status });
        }
        match de::from_str::<ErrorResponse>(&text) {
            Ok(ErrorResponse { error }) => {
                Err(QueryError::Refused { status, code: error.code, message: error.message })
            }
            Err(_) => Err(QueryError::Invalid { status }),
        }
    }
}

impl QueryError {
    /// Returns true if a later attempt may succeed.
    fn is_temporary(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::Invalid { status } => *status >= 500,
            Self::Refused { status, code, message } => {
                *status >= 500
                    || *status == 429
                    || clock::is_skewed(code, message)
                    || THROTTLES.contains(&code.as_str())
            }
        }
    }
}
