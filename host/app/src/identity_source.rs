//! Identity sources of a REQUEST authorizer.

use serde::{Deserialize, Serialize};

/// The place in a handshake where API Gateway finds the identity of a client.
///
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-lambda-auth.html>
///
/// ```
/// use tidegate_app::IdentitySource;
///
/// let source = IdentitySource::try_from("route.request.querystring.token".to_owned())?;
/// assert_eq!(source, IdentitySource::QueryString("token".to_owned()));
/// # Ok::<(), tidegate_app::IdentitySourceError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum IdentitySource {
    /// A header, `route.request.header.NAME`.
    Header(String),
    /// A parameter of the query string, `route.request.querystring.NAME`.
    QueryString(String),
    /// A stage variable, `stageVariables.NAME`. A manifest cannot name one, because deployed stages have none.
    StageVariable(String),
    /// A variable of the request's context, `context.NAME`.
    Context(String),
}

/// An identity source that API Gateway does not accept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid identity source `{0}`: expected `route.request.header.NAME`, `route.request.querystring.NAME` or \
     `context.NAME`"
)]
pub struct IdentitySourceError(String);

impl IdentitySource {
    const HEADER: &str = "route.request.header.";
    const QUERY_STRING: &str = "route.request.querystring.";
    const STAGE_VARIABLE: &str = "stageVariables.";
    const CONTEXT: &str = "context.";
}

impl TryFrom<String> for IdentitySource {
    type Error = IdentitySourceError;

    fn try_from(text: String) -> Result<Self, IdentitySourceError> {
        let named = |prefix: &str| text.strip_prefix(prefix).filter(|name| !name.is_empty()).map(str::to_owned);
        let source = named(Self::HEADER)
            .map(Self::Header)
            .or_else(|| named(Self::QUERY_STRING).map(Self::QueryString))
            .or_else(|| named(Self::STAGE_VARIABLE).map(Self::StageVariable))
            .or_else(|| named(Self::CONTEXT).map(Self::Context));
        source.ok_or(IdentitySourceError(text))
    }
}

impl From<IdentitySource> for String {
    fn from(source: IdentitySource) -> Self {
        match source {
            IdentitySource::Header(name) => format!("{}{name}", IdentitySource::HEADER),
            IdentitySource::QueryString(name) => format!("{}{name}", IdentitySource::QUERY_STRING),
            IdentitySource::StageVariable(name) => format!("{}{name}", IdentitySource::STAGE_VARIABLE),
            IdentitySource::Context(name) => format!("{}{name}", IdentitySource::CONTEXT),
        }
    }
}
