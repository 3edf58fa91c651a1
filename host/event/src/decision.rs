//! Authorizer decisions as IAM policies.
//!
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html>

use serde::{Deserialize, Serialize};

use crate::error::{DecodeError, parse};
use crate::failure::FunctionError;
use crate::fields::{Groups, Members, Single};
use crate::policy::{INVOKE, Policy, VERSION, Verdict};
use crate::text::{Scalar, to_json};
use crate::types::{Decision, Identity};

/// The maximum size of an authorizer's response, in bytes: 8 KiB.
///
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html>
pub const MAX_DECISION_BYTES: usize = 8_192;
/// The `principalId` of a denial. API Gateway requires a `principalId`.
const ANONYMOUS: &str = "anonymous";

/// Encodes a decision about invoking `method_arn` as a policy.
///
/// # Errors
/// The function error to report instead of a response:
/// - for [`Decision::Unauthorized`], which has no JSON form
/// - for an empty principal, and for a policy above [`MAX_DECISION_BYTES`], which API Gateway rejects
pub fn encode_decision(decision: &Decision, method_arn: &str) -> Result<Vec<u8>, FunctionError> {
    let anonymous;
    let (effect, identity) = match decision {
        Decision::Allow(identity) => ("Allow", identity),
        Decision::Deny => {
            anonymous = Identity { principal: ANONYMOUS.to_owned(), context: Vec::new() };
            ("Deny", &anonymous)
        }
        Decision::Unauthorized => return Err(FunctionError::unauthorized()),
    };
    if identity.principal.is_empty() {
        return Err(rejected("the principal is empty".to_owned()));
    }
    // Checked before the texts are copied and escaped.
    let context_bytes: usize = identity.context.iter().map(|(name, value)| name.len() + value.len()).sum();
    within_limit(identity.principal.len().saturating_add(context_bytes))
        .map_err(|error| rejected(error.to_string()))?;
    let context = Groups::new(&identity.context);
    let statement = OutgoingStatement { action: INVOKE, effect, resource: method_arn };
    let json = to_json(
        &Outgoing {
            principal_id: &identity.principal,
            policy_document: OutgoingPolicy { version: VERSION, statement: [statement] },
            context: (!context.is_empty()).then(|| context.single()),
        },
        512,
    );
    within_limit(json.len()).map_err(|error| rejected(error.to_string()))?;
    Ok(json)
}

/// Decodes an authorizer's policy and evaluates it for `method_arn`.
///
/// # Errors
/// - [`DecodeError::NotJson`], [`DecodeError::Missing`] or [`DecodeError::Invalid`] if API Gateway would reject the
///   response: it is not an object, lacks a `principalId` or a policy, or has a context value that is not a scalar
/// - [`DecodeError::TooLarge`] above [`MAX_DECISION_BYTES`]
/// - [`DecodeError::Invalid`] for statements with `Condition`, `NotAction` or `NotResource`, which this codec does not
///   evaluate
pub fn decode_decision(json: &[u8], method_arn: &str) -> Result<Decision, DecodeError> {
    within_limit(json.len())?;
    let answer: Incoming = parse(json)?;
    if answer.principal_id.is_empty() {
        return Err(DecodeError::invalid("principalId", "expected text that is not empty"));
    }
    match answer.policy_document.evaluate(method_arn)? {
        Verdict::Allowed => Ok(Decision::Allow(Identity {
            principal: answer.principal_id,
            context: answer.context.unwrap_or_default().0.into_iter().map(|(name, value)| (name, value.0)).collect(),
        })),
        Verdict::Denied => Ok(Decision::Deny),
    }
}

fn within_limit(length: usize) -> Result<(), DecodeError> {
    if length > MAX_DECISION_BYTES {
        return Err(DecodeError::TooLarge { what: "authorizer's response", length, limit: MAX_DECISION_BYTES });
    }
    Ok(())
}

fn rejected(error_message: String) -> FunctionError {
    FunctionError { error_type: "Tidegate.Identity".to_owned(), error_message }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outgoing<'a, 'g> {
    principal_id: &'a str,
    policy_document: OutgoingPolicy<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<Single<'g, 'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct OutgoingPolicy<'a> {
    version: &'static str,
    statement: [OutgoingStatement<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct OutgoingStatement<'a> {
    action: &'static str,
    effect: &'static str,
    resource: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct Incoming {
    principal_id: String,
    policy_document: Policy,
    context: Option<Members<Scalar>>,
}
