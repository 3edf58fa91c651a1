//! What an app is, resolved: the text of `app.json`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tidegate_capability::{Grants, Limits};
use tidegate_event::RouteKey;

/// A resolved app: the manifest without what only builds need, every default filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct App {
    /// The name.
    pub name: String,
    /// API Gateway's route selection expression.
    pub route_selection_expression: String,
    /// The components by name.
    pub components: BTreeSet<String>,
    /// The routes by key, `$connect`, `$disconnect` and `$default` among them.
    pub routes: BTreeMap<RouteKey, Route>,
    /// The authorizer of `$connect`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorizer: Option<Authorizer>,
}

/// A route: a component with what it may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Route {
    /// The component's name.
    pub component: String,
    /// Whether the route is two-way: it has a route response.
    pub response: bool,
    /// What it was granted.
    pub grants: Grants,
    /// What one event may use.
    pub limits: Limits,
}

/// The authorizer of `$connect`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Authorizer {
    /// The component's name.
    pub component: String,
    /// What must be present and non-empty before the authorizer is called; empty always calls it.
    pub identity_source: Vec<IdentitySource>,
    /// Configuration names; nothing else can be granted.
    pub grants: Grants,
    /// What one call may use.
    pub limits: Limits,
}

/// Where API Gateway finds a client's identity.
///
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-lambda-auth.html>
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum IdentitySource {
    /// `route.request.header.Name`.
    Header(String),
    /// `route.request.querystring.name`.
    QueryString(String),
    /// `stageVariables.name`.
    StageVariable(String),
    /// `context.name`.
    Context(String),
}

/// An identity source that API Gateway does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no identity source: `route.request.header.NAME`, `route.request.querystring.NAME`, `stageVariables.NAME` or \
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
        let kinds: [(&str, fn(String) -> Self); 4] = [
            (Self::HEADER, Self::Header),
            (Self::QUERY_STRING, Self::QueryString),
            (Self::STAGE_VARIABLE, Self::StageVariable),
            (Self::CONTEXT, Self::Context),
        ];
        for (start, kind) in kinds {
            match text.strip_prefix(start) {
                Some(name) if !name.is_empty() => return Ok(kind(name.to_owned())),
                _ => {}
            }
        }
        Err(IdentitySourceError(text))
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
