//! Configuration values by name, from SSM Parameter Store.
//!
//! One operation is all that is needed, so it is sent here, signed by the SDK's own signer: the SDK's client for SSM knows
//! 150 operations, and would be the largest part of the build.
//!
//! <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameters.html>

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::http::{HttpConnector as _, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use serde::{Deserialize, Serialize};
use tidegate_capability::Deadline;

use crate::attempt::Backoff;
use crate::error::Error;

/// The most names of one request.
const MAX_NAMES: usize = 10;
/// The longest wait for one answer; reading may be repeated.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(1);
/// Names of the error that says that there were too many requests.
const THROTTLES: [&str; 3] = ["ThrottlingException", "Throttling", "TooManyUpdates"];

/// Values from Parameter Store, whose parameters are named by a prefix and the name of the value.
#[derive(Debug, Clone)]
pub struct ParameterStore {
    connector: SharedHttpConnector,
    credentials: Credentials,
    region: String,
    endpoint: String,
    prefix: String,
}

/// What was found.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Values {
    /// The values by name, without the prefix.
    pub found: BTreeMap<String, String>,
    /// The names, with the prefix, of parameters that do not exist.
    pub missing: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Request<'a> {
    names: &'a [String],
    with_decryption: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    parameters: Vec<Parameter>,
    #[serde(default)]
    invalid_parameters: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameter {
    name: String,
    value: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    #[serde(rename = "__type")]
    kind: String,
    #[serde(alias = "Message")]
    message: String,
}

/// Why one attempt failed.
enum Failure {
    Passing(String),
    Lasting(String),
}

impl ParameterStore {
    /// The parameters whose names begin with `prefix`, such as `/tidegate/chat/dev/`. `endpoint` is the service's own
    /// when it is none.
    #[must_use]
    pub fn new(
        connector: SharedHttpConnector,
        credentials: Credentials,
        region: &str,
        endpoint: Option<&str>,
        prefix: &str,
    ) -> Self {
        let endpoint = endpoint.map_or_else(|| own_endpoint(region), |given| given.trim_end_matches('/').to_owned());
        Self { connector, credentials, region: region.to_owned(), endpoint, prefix: prefix.to_owned() }
    }

    /// Reads and decrypts the values of `names`. Repeats what may pass until the deadline.
    ///
    /// # Errors
    /// [`Error::Config`] when the role may not read one, a name is not allowed, or the service does not answer in time.
    /// A parameter that does not exist is no error: it is among [`Values::missing`].
    pub async fn fetch(&self, names: &BTreeSet<String>, deadline: Deadline) -> Result<Values, Error> {
        let names: Vec<String> = names.iter().map(|name| format!("{}{name}", self.prefix)).collect();
        let mut values = Values::default();
        for names in names.chunks(MAX_NAMES) {
            let answer = self.read(names, deadline).await;
            let answer = answer.map_err(|reason| Error::Config { names: names.join("`, `"), reason })?;
            values.missing.extend(answer.invalid_parameters);
            values.found.extend(answer.parameters.into_iter().filter_map(|parameter| {
                let name = parameter.name.strip_prefix(&self.prefix)?.to_owned();
                Some((name, parameter.value))
            }));
        }
        Ok(values)
    }

    async fn read(&self, names: &[String], deadline: Deadline) -> Result<Answer, String> {
        let mut backoff = Backoff::default();
        loop {
            let time = deadline.remaining().min(ATTEMPT_TIMEOUT);
            let failure = match tokio::time::timeout(time, self.attempt(names)).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(Failure::Lasting(reason))) => return Err(reason),
                Ok(Err(Failure::Passing(reason))) => reason,
                Err(_) => "no answer in time".to_owned(),
            };
            if !backoff.pause(deadline).await {
                return Err(failure);
            }
        }
    }

    async fn attempt(&self, names: &[String]) -> Result<Answer, Failure> {
        let body = serde_json::to_vec(&Request { names, with_decryption: true });
        let body = body.map_err(|error| Failure::Lasting(error.to_string()))?;
        let request = self.signed(body).map_err(Failure::Lasting)?;
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

    fn signed(&self, body: Vec<u8>) -> Result<HttpRequest, String> {
        let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", "AmazonSSM.GetParameters")];
        let identity = self.credentials.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("ssm")
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| error.to_string())?
            .into();
        let signable = SignableRequest::new("POST", &self.endpoint, headers.into_iter(), SignableBody::Bytes(&body));
        let signable = signable.map_err(|error| error.to_string())?;
        let (instructions, _) = sign(signable, &params).map_err(|error| error.to_string())?.into_parts();
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.set_method("POST").map_err(|error| error.to_string())?;
        request.set_uri(self.endpoint.as_str()).map_err(|error| error.to_string())?;
        for (name, value) in headers.into_iter().chain(instructions.headers()) {
            request.headers_mut().try_insert(name.to_owned(), value.to_owned()).map_err(|error| error.to_string())?;
        }
        Ok(request)
    }
}

impl std::fmt::Debug for Values {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Values may be secrets.
        f.debug_struct("Values").field("missing", &self.missing).finish_non_exhaustive()
    }
}

fn refused(status: u16, refusal: &Refusal) -> Failure {
    let Refusal { kind, message } = refusal;
    let kind = kind.rsplit('#').next().unwrap_or_default();
    let reason = match kind {
        "" => format!("status {status}"),
        kind => format!("{kind}: {message}"),
    };
    if status >= 500 || status == 429 || THROTTLES.contains(&kind) {
        Failure::Passing(reason)
    } else {
        Failure::Lasting(reason)
    }
}

/// <https://docs.aws.amazon.com/general/latest/gr/ssm.html>
fn own_endpoint(region: &str) -> String {
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("https://ssm.{region}.{domain}")
}
