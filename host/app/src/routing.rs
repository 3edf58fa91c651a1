//! The part of an app that is infrastructure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tidegate_event::RouteKey;

use crate::app::App;

/// The part of an app that a stack is synthesised from. Only a change of this part requires a deployment of the stack.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Routing<'a> {
    route_selection_expression: &'a str,
    /// True for each route that has a route response, by route key.
    routes: BTreeMap<&'a str, bool>,
    /// The authorizer's identity sources. Their order has no effect.
    identity_source: Option<BTreeSet<String>>,
}

impl App {
    /// Returns the fingerprint of the routing: the SHA-256, in 64 hexadecimal digits, of the route selection
    /// expression, the route keys with their responses, and the authorizer's identity sources.
    ///
    /// Apps with equal fingerprints can run behind the same API. `$connect` and `$disconnect` count as routes without a
    /// response even if the app does not have them: a stack always has both, because the host registers connections
    /// there.
    #[must_use]
    pub fn routing_fingerprint(&self) -> String {
        let mut routes = BTreeMap::from([(RouteKey::CONNECT, false), (RouteKey::DISCONNECT, false)]);
        routes.extend(self.routes.iter().map(|(key, route)| (key.as_str(), route.response)));
        let routing = Routing {
            route_selection_expression: &self.route_selection_expression,
            routes,
            identity_source: self
                .authorizer
                .as_ref()
                .map(|authorizer| authorizer.identity_source.iter().cloned().map(Into::into).collect()),
        };
        // Every key is a string and every value has a JSON form, so this cannot fail.
        let json = serde_json::to_vec(&routing).unwrap_or_default();
        hex::encode(Sha256::digest(json))
    }

    /// Describes the differences between the routing of this app and that of `deployed`, the app of the stack. Returns
    /// `None` if the fingerprints are equal.
    #[must_use]
    pub fn routing_difference(&self, deployed: &Self) -> Option<String> {
        if self.routing_fingerprint() == deployed.routing_fingerprint() {
            return None;
        }
        let responses = |app: &Self| -> BTreeSet<_> {
            app.routes.iter().map(|(key, route)| (key.clone(), route.response)).collect()
        };
        let new = responses(self);
        let old = responses(deployed);
        let routes: BTreeSet<_> = old.symmetric_difference(&new).map(|(key, _)| format!("`{key}`")).collect();
        let routes = Vec::from_iter(routes);
        Some(match routes.is_empty() {
            true => "the route selection expression or the authorizer's identity sources".to_owned(),
            false => format!("routes or their responses ({})", routes.join(", ")),
        })
    }
}
