//! What an app is, resolved: the text of `app.json`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::grants::Grants;
use crate::limits::Limits;
use serde::{Deserialize, Serialize};
use tidegate_event::RouteKey;

use crate::error::Error;
use crate::problem::Problem;
use crate::validate;

/// A resolved app: the manifest without what only builds need, every default filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "an object")]
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

impl App {
    /// The components that routes and the authorizer use: all of them, unless some of those were left out.
    #[must_use]
    pub fn used(&self) -> BTreeSet<String> {
        let routes = self.routes.values().map(|route| route.component.clone());
        routes.chain(self.authorizer.iter().map(|it| it.component.clone())).collect()
    }

    /// As the text of `app.json`, the same for equal apps.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Every key is text and every value has a JSON form, so this cannot fail.
        let mut json = serde_json::to_string_pretty(self).unwrap_or_default();
        json.push('\n');
        json
    }

    /// From the text of `app.json`; `file` is what errors name.
    ///
    /// # Errors
    /// When it is no JSON, has an unknown key or a value that is not allowed, or names a component that it does not
    /// have.
    pub fn from_json(file: &Path, json: &[u8]) -> Result<Self, Error> {
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        let app: Self = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
            let said = error.inner().to_string();
            let said = said.rsplit_once(" at line ").map_or(said.as_str(), |(said, _)| said);
            match error.inner().classify() {
                serde_json::error::Category::Data => {
                    Problem::from_serde(error.path(), said).in_file(file, Some(error.inner().line()))
                }
                _ => syntax(file, error.inner(), said),
            }
        })?;
        deserializer.end().map_err(|error| syntax(file, &error, "more text after the app"))?;
        app.validate(file)?;
        Ok(app)
    }

    /// Checks the rules that an app as a whole obeys; errors name `file`.
    ///
    /// # Errors
    /// [`Error::Key`] with the first violation.
    pub fn validate(&self, file: &Path) -> Result<(), Error> {
        validate::app(self, "").map_err(|problem| problem.in_file(file, None))
    }
}

fn syntax(file: &Path, error: &serde_json::Error, problem: &str) -> Error {
    Error::Syntax { file: file.to_owned(), line: error.line(), problem: problem.to_owned() }
}

/// A route: a component with what it may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a table")]
pub struct Route {
    /// The component's name.
    pub component: String,
    /// Whether the route is two-way: it has a route response.
    #[serde(default)]
    pub response: bool,
    /// What it was granted.
    #[serde(default)]
    pub grants: Grants,
    /// What one event may use.
    #[serde(default)]
    pub limits: Limits,
}

/// The authorizer of `$connect`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a table")]
pub struct Authorizer {
    /// The component's name.
    pub component: String,
    /// What must be present and non-empty before the authorizer is called; empty always calls it.
    pub identity_source: Vec<IdentitySource>,
    /// Configuration names; nothing else can be granted.
    #[serde(default)]
    pub grants: Grants,
    /// What one call may use.
    #[serde(default)]
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
    "`{0}` is no identity source: `route.request.header.NAME`, `route.request.querystring.NAME`, `stageVariables.NAME` \
     or `context.NAME`"
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
        let named = |start| text.strip_prefix(start).filter(|name: &&str| !name.is_empty()).map(str::to_owned);
        let source = named(Self::HEADER).map(Self::Header);
        let source = source.or_else(|| named(Self::QUERY_STRING).map(Self::QueryString));
        let source = source.or_else(|| named(Self::STAGE_VARIABLE).map(Self::StageVariable));
        let source = source.or_else(|| named(Self::CONTEXT).map(Self::Context));
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
