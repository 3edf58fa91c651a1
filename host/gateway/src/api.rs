//! The configuration of an API.

use std::collections::BTreeMap;

use tidegate_app::IdentitySource;
use tidegate_event::{Fields, RouteKey, SelectionExpression};

/// A WebSocket API with one stage.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// The `apiId` of events.
    pub api_id: String,
    /// The stage: the path of its sockets and the first path segment of `@connections` URLs.
    pub stage: String,
    /// The Region in the authorizer's `methodArn`.
    pub region: String,
    /// The account in the authorizer's `methodArn`.
    pub account: String,
    /// The `domainName` of events. With `None`, events have the `Host` header of the handshake, port included, so the
    /// callback URLs that a guest builds from it work.
    pub domain_name: Option<String>,
    /// The expression that selects the route key from a message.
    pub selection: SelectionExpression,
    /// The routes. `$connect` and `$disconnect` are invoked only if this map contains them.
    pub routes: BTreeMap<RouteKey, RouteConfig>,
    /// The authorizer of `$connect`.
    pub authorizer: Option<AuthorizerConfig>,
    /// The `stageVariables` of events.
    pub stage_variables: Fields,
}

/// The configuration of a route.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RouteConfig {
    /// True if the route has a route response. The body of a reply is then sent to the client.
    pub response: bool,
}

/// A REQUEST authorizer.
///
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-lambda-auth.html>
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuthorizerConfig {
    /// The values that a handshake must have. An empty value counts as missing. With an empty list, the authorizer is
    /// always called.
    pub identity_source: Vec<IdentitySource>,
}

impl ApiConfig {
    /// Returns the `methodArn` of the authorizer's event.
    #[must_use]
    pub fn method_arn(&self) -> String {
        let Self { region, account, api_id, stage, .. } = self;
        format!("arn:aws:execute-api:{region}:{account}:{api_id}/{stage}/{}", RouteKey::CONNECT)
    }

    /// Returns the key and the configuration of a route.
    pub(crate) fn route(&self, key: &str) -> Option<(&RouteKey, RouteConfig)> {
        self.routes.get_key_value(key).map(|(key, route)| (key, *route))
    }

    /// Returns the route of a message: the selected route, or `$default`, or `None` if neither exists. A message cannot
    /// select `$connect` or `$disconnect`.
    pub(crate) fn route_of(&self, body: &str) -> Option<(&RouteKey, RouteConfig)> {
        let selected = self.selection.evaluate(body);
        let is_lifecycle = |key: &str| key == RouteKey::CONNECT || key == RouteKey::DISCONNECT;
        let named = selected.filter(|key| !is_lifecycle(key)).and_then(|key| self.route(&key));
        named.or_else(|| self.route(RouteKey::DEFAULT))
    }
}
