//! The authorizer of the handshake.
//!
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-lambda-auth.html>

use std::time::Duration;

use tidegate_app::IdentitySource;
use tidegate_diagnostic::Code;
use tidegate_event::{Authorization, Decision, Event, Handshake, Identity, Request, decode_decision, encode_request};
use tokio_util::sync::CancellationToken;

use crate::api::{ApiConfig, AuthorizerConfig};
use crate::gateway::Gateway;
use crate::handshake::Refusal;
use crate::invoke::{Caller, Function, InvokeError};

/// The client's identity, and the duration of the authorizer's call in milliseconds.
pub(crate) struct Authorized {
    pub(crate) identity: Identity,
    pub(crate) latency: u64,
}

/// Invokes the authorizer for a handshake. Replaces the event in `request`.
///
/// # Errors
/// The refusal if the authorizer does not allow the connection.
pub(crate) async fn authorize(
    gateway: &Gateway,
    api: &ApiConfig,
    authorizer: &AuthorizerConfig,
    request: &mut Request,
    handshake: &Handshake,
    departed: &CancellationToken,
) -> Result<Authorized, Refusal> {
    let missing = |source: &&IdentitySource| find(source, api, request, handshake).is_none_or(|value| value.is_empty());
    if let Some(source) = authorizer.identity_source.iter().find(missing) {
        // The response to the client does not name the missing source, so the log does.
        let source = String::from(source.clone());
        tracing::info!(connection = %request.connection.id, %source, "an identity source is missing or empty");
        return Err(Refusal::Unauthorized);
    }
    let method_arn = api.method_arn();
    request.event = Event::Authorize(Authorization {
        method_arn: method_arn.clone(),
        handshake: handshake.clone(),
        stage_variables: api.stage_variables.clone(),
    });
    let start = gateway.clock.elapsed();
    let caller = Caller { route: &request.route_key, connection: &request.connection.id, departed };
    let result = gateway.invoke(Function::Authorizer, encode_request(request), caller).await;
    let latency = gateway.clock.elapsed().saturating_sub(start);
    let identity = decide(result, &method_arn)?;
    Ok(Authorized { identity, latency: millis(latency) })
}

fn decide(result: Result<Vec<u8>, InvokeError>, method_arn: &str) -> Result<Identity, Refusal> {
    let json = match result {
        Ok(json) => json,
        Err(InvokeError::FunctionError(error)) if error.is_unauthorized() => return Err(Refusal::Unauthorized),
        Err(error) => {
            tracing::warn!(code = %error.code(), %error, "cannot run the authorizer");
            return Err(Refusal::AuthorizerFailed);
        }
    };
    match decode_decision(&json, method_arn) {
        Ok(Decision::Allow(identity)) => Ok(identity),
        Ok(Decision::Deny) => Err(Refusal::Denied),
        Ok(Decision::Unauthorized) => Err(Refusal::Unauthorized),
        Err(error) => {
            tracing::warn!(code = %Code::ReplyInvalid, %error, "cannot use the reply of the authorizer");
            Err(Refusal::AuthorizerFailed)
        }
    }
}

/// Returns the value of an identity source.
fn find<'a>(
    source: &IdentitySource,
    api: &'a ApiConfig,
    request: &'a Request,
    handshake: &'a Handshake,
) -> Option<&'a str> {
    let value = |fields: &'a [(String, String)], matches: &dyn Fn(&str) -> bool| {
        fields.iter().find(|(name, _)| matches(name)).map(|(_, value)| value.as_str())
    };
    match source {
        IdentitySource::Header(wanted) => value(&handshake.headers, &|name| name.eq_ignore_ascii_case(wanted)),
        IdentitySource::QueryString(wanted) => value(&handshake.query, &|name| name == wanted),
        IdentitySource::StageVariable(wanted) => value(&api.stage_variables, &|name| name == wanted),
        IdentitySource::Context(name) => context(name, request),
    }
}

/// Returns a variable of the request context, by its name in the event. Only its presence counts.
fn context<'a>(name: &str, request: &'a Request) -> Option<&'a str> {
    let connection = &request.connection;
    match name {
        "apiId" => Some(&request.api_id),
        "connectedAt" | "requestTime" | "requestTimeEpoch" => Some("a time"),
        "connectionId" => Some(connection.id.as_str()),
        "domainName" => Some(&connection.domain_name),
        "eventType" => Some("CONNECT"),
        "extendedRequestId" => Some(&request.extended_request_id),
        "identity.sourceIp" => Some(&connection.source_ip),
        "identity.userAgent" => connection.user_agent.as_deref(),
        "requestId" => Some(request.request_id.as_str()),
        "routeKey" => Some(request.route_key.as_str()),
        "stage" => Some(&connection.stage),
        _ => None,
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
