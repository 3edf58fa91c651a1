//! What of an app is infrastructure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tidegate_event::RouteKey;

use crate::app::App;

/// What a stack is made from: a change of any of it needs the stack, a change of anything else does not.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Routing<'a> {
    route_selection_expression: &'a str,
    /// Whether each route has a route response, by the route's key.
    routes: BTreeMap<&'a str, bool>,
    /// The authorizer's identity sources, whose order means nothing; none without an authorizer.
    identity_source: Option<BTreeSet<String>>,
}

impl App {
    /// The fingerprint of the routing: the SHA-256, in 64 hexadecimal digits, over the route selection expression, each
    /// route's key and whether it has a response, and the authorizer's identity sources.
    ///
    /// Two apps with the same fingerprint can take turns behind the same API. `$connect` and `$disconnect` count as
    /// routes without a response even where the app has none: a stack always has them, because the host registers
    /// connections there.
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
                .map(|it| it.identity_source.iter().cloned().map(Into::into).collect()),
        };
        // Every key is text and every value has a JSON form, so this cannot fail.
        let json = serde_json::to_vec(&routing).unwrap_or_default();
        Sha256::digest(json).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// What differs between this app's routing and that of `deployed`, whose stack it would run behind; none when their
    /// fingerprints are equal.
    #[must_use]
    pub fn routing_difference(&self, deployed: &Self) -> Option<String> {
        if self.routing_fingerprint() == deployed.routing_fingerprint() {
            return None;
        }
        let of = |app: &Self| -> BTreeSet<_> {
            app.routes.iter().map(|(key, route)| (key.clone(), route.response)).collect()
        };
        let (new, old) = (of(self), of(deployed));
        let routes: BTreeSet<_> = old.symmetric_difference(&new).map(|(key, _)| format!("`{key}`")).collect();
        let routes = Vec::from_iter(routes);
        Some(match routes.is_empty() {
            true => "the route selection expression or the authorizer's identity sources".to_owned(),
            false => format!("routes or their responses ({})", routes.join(", ")),
        })
    }
}
