//! The API's configuration.

use std::collections::BTreeMap;
use std::fmt;

use tidegate_event::{Fields, RouteKey, SelectionExpression};

/// A WebSocket API with one stage.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// `apiId`.
    pub api_id: String,
    /// The stage: the path of its sockets, and the first segment of @connections.
    pub stage: String,
    /// The Region in the authorizer's `methodArn`.
    pub region: String,
    /// The account in the authorizer's `methodArn`.
    pub account: String,
    /// `domainName`; none is the `Host` header of the handshake, port included, so that a callback URL made of it works.
    pub domain_name: Option<String>,
    /// Which part of a message names its route.
    pub selection: SelectionExpression,
    /// The routes. `$connect` and `$disconnect` are invoked only when they are among them.
    pub routes: BTreeMap<RouteKey, RouteConfig>,
    /// The authorizer of `$connect`.
    pub authorizer: Option<AuthorizerConfig>,
    /// `stageVariables`.
    pub stage_variables: Fields,
}

/// A route.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RouteConfig {
    /// Whether the route has a route response: the body of a reply goes to the client.
    pub response: bool,
}

/// A REQUEST authorizer.
///
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-lambda-auth.html>
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuthorizerConfig {
    /// What a handshake must bring, all of it, present and not empty; none of it, and the authorizer is always called.
    pub identity_source: Vec<IdentitySource>,
}

/// Where a client's identity is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentitySource {
    /// `route.request.header.Name`; the name's case does not matter.
    Header(String),
    /// `route.request.querystring.name`.
    QueryString(String),
    /// `stageVariables.name`.
    StageVariable(String),
    /// `context.name`, such as `identity.sourceIp`.
    Context(String),
}

impl fmt::Display for IdentitySource {
    /// As API Gateway writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(f, "route.request.header.{name}"),
            Self::QueryString(name) => write!(f, "route.request.querystring.{name}"),
            Self::StageVariable(name) => write!(f, "stageVariables.{name}"),
            Self::Context(name) => write!(f, "context.{name}"),
        }
    }
}

impl ApiConfig {
    /// The `methodArn` that the authorizer decides on.
    #[must_use]
    pub fn method_arn(&self) -> String {
        let Self { region, account, api_id, stage, .. } = self;
        format!("arn:aws:execute-api:{region}:{account}:{api_id}/{stage}/{}", RouteKey::CONNECT)
    }

    /// The key and the configuration of a route, when there is one.
    pub(crate) fn route(&self, key: &str) -> Option<(&RouteKey, RouteConfig)> {
        self.routes.get_key_value(key).map(|(key, route)| (key, *route))
    }

    /// The route of a message: by its value, else `$default`, else none. The routes of the connection's life cannot be
    /// reached by a message, whatever it says.
    pub(crate) fn route_of(&self, body: &str) -> Option<(&RouteKey, RouteConfig)> {
        let selected = self.selection.evaluate(body);
        let of_life = |key: &str| key == RouteKey::CONNECT || key == RouteKey::DISCONNECT;
        let named = selected.filter(|key| !of_life(key)).and_then(|key| self.route(&key));
        named.or_else(|| self.route(RouteKey::DEFAULT))
    }
}
