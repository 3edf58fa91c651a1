//! The gateway's configuration of an app.

use std::collections::BTreeMap;

use tidegate_app::App;
use tidegate_diagnostic::{Code, Diagnose as _};
use tidegate_event::{RouteKey, SelectionExpression};
use tidegate_gateway::{ApiConfig, AuthorizerConfig, RouteConfig};

use crate::ui::error::Result;

/// The id, the Region and the account of the local API, as they appear in events and in the authorizer's `methodArn`.
const API_ID: &str = "local";
pub(crate) const REGION: &str = "us-east-1";
pub(crate) const ACCOUNT: &str = "123456789012";

/// Returns the API of `app` with one stage.
///
/// # Errors
/// The route selection expression is not valid.
pub(crate) fn config(app: &App, stage: &str) -> Result<ApiConfig> {
    let expression = &app.route_selection_expression;
    let selection = SelectionExpression::parse(expression).diagnose(Code::SelectionExpressionInvalid, || {
        format!("cannot parse the route selection expression `{expression}`")
    })?;
    let mut routes: BTreeMap<RouteKey, RouteConfig> =
        app.routes.iter().map(|(key, route)| (key.clone(), RouteConfig { response: route.response })).collect();
    // The host registers and unregisters connections on these two routes even if the app does not define them.
    for key in [RouteKey::CONNECT, RouteKey::DISCONNECT] {
        let key = RouteKey::new(key).diagnose(Code::RouteKeyInvalid, || format!("cannot add the route `{key}`"))?;
        routes.entry(key).or_default();
    }
    let authorizer = app
        .authorizer
        .as_ref()
        .map(|authorizer| AuthorizerConfig { identity_source: authorizer.identity_source.clone() });
    Ok(ApiConfig {
        api_id: API_ID.to_owned(),
        stage: stage.to_owned(),
        region: REGION.to_owned(),
        account: ACCOUNT.to_owned(),
        domain_name: None,
        selection,
        routes,
        authorizer,
        stage_variables: Vec::new(),
    })
}
