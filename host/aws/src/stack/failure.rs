//! The diagnostics of a lookup, which name the stack, the Region and the profile.

use std::error::Error as _;

use aws_credential_types::provider::error::CredentialsError;
use tidegate_diagnostic::{Code, Diagnostic, chain};

use super::query::QueryError;
use super::{Query, stack_name};
use crate::error::Error;
use crate::failure::{INVALID_ANSWER, describe_error};

/// Builds the diagnostics of one lookup.
#[derive(Debug, Clone)]
pub(super) struct Failures {
    stack: String,
    stage: String,
    profile: Option<String>,
    region: Option<String>,
}

impl Failures {
    pub(super) fn of(query: &Query<'_>) -> Self {
        Self {
            stack: stack_name(query),
            stage: query.stage.to_owned(),
            profile: query.profile.map(str::to_owned),
            region: query.region.map(str::to_owned),
        }
    }

    /// Returns the same builder with a known Region.
    pub(super) fn in_region(&self, region: &str) -> Self {
        Self { region: Some(region.to_owned()), ..self.clone() }
    }

    pub(super) fn no_transport(&self, error: &Error) -> Diagnostic {
        self.error(Code::AwsTlsFailed, &self.the_stack(), &error.to_string()).hint("report this as a bug of Tidegate")
    }

    pub(super) fn no_answer(&self) -> Diagnostic {
        self.error(Code::AwsUnreachable, &self.the_stack(), "no answer in time").hint("check the network connection")
    }

    pub(super) fn no_region(&self) -> Diagnostic {
        let hint = "pass `--region`, set `AWS_REGION`, or add `region` to the profile";
        self.error(Code::AwsRegionMissing, &self.the_stack(), "no Region is configured").hint(hint)
    }

    pub(super) fn no_credentials(&self, reason: &str) -> Diagnostic {
        let hint = match &self.profile {
            Some(profile) => {
                format!("run `aws sso login --profile {profile}`, or check the profile in `~/.aws/config`")
            }
            None => "pass `--profile`, or run `aws sso login`".to_owned(),
        };
        let why = format!("there are no credentials: {reason}");
        self.error(Code::AwsCredentialsMissing, &self.the_stack(), &why).hint(hint)
    }

    pub(super) fn no_credentials_because(&self, error: &CredentialsError) -> Diagnostic {
        match (error, &self.profile, error.source()) {
            // The error would list every place that was searched.
            (CredentialsError::CredentialsNotLoaded(_), None, _) => {
                self.no_credentials("neither the environment nor a profile has any")
            }
            // The cause is more specific than the error around it.
            (_, _, Some(cause)) => self.no_credentials(&chain(cause)),
            (error, _, None) => self.no_credentials(&chain(error)),
        }
    }

    pub(super) fn no_output(&self, output: &str) -> Diagnostic {
        let what = format!("find the releases of the stack `{}`", self.stack);
        let why = format!("the stack has no output `{output}`");
        self.error(Code::AwsStackOutdated, &what, &why).hint(format!("run {}", self.deploy()))
    }

    pub(super) fn no_app(&self, reason: &str) -> Diagnostic {
        let what = format!("find the app that the stack `{}` was deployed with", self.stack);
        self.error(Code::AwsStackOutdated, &what, reason).hint(format!("run {}", self.deploy()))
    }

    /// Explains a failed request. `attempted` completes the phrase "cannot …".
    pub(super) fn refused(&self, attempted: &str, error: QueryError) -> Diagnostic {
        let (status, code, message) = match error {
            QueryError::Unreachable(reason) => {
                return self.error(Code::AwsUnreachable, attempted, &reason).hint("check the network connection");
            }
            QueryError::Invalid { status } => {
                let why = format!("{INVALID_ANSWER}: status {status}");
                let hint = "check that no proxy answers in place of AWS";
                return self.error(Code::AwsAnswerInvalid, attempted, &why).hint(hint);
            }
            QueryError::Refused { status, code, message } => (status, code, message),
        };
        let reason = describe_error(status, &code, &message);
        match code.as_str() {
            // CloudFormation has no specific code for a missing stack.
            "ValidationError" if message.contains("does not exist") => {
                let hint = format!("run {}, or pass another `--region` or `--profile`", self.deploy());
                self.error(Code::AwsStackNotFound, attempted, "the stack does not exist").hint(hint)
            }
            "ExpiredToken" | "ExpiredTokenException" | "InvalidClientTokenId" | "UnrecognizedClientException" => {
                let profile = self.profile.as_ref().map_or(String::new(), |profile| format!(" --profile {profile}"));
                let hint = format!("run `aws sso login{profile}`, or use other credentials");
                self.error(Code::AwsCredentialsExpired, attempted, &reason).hint(hint)
            }
            "AccessDenied" | "AccessDeniedException" => self
                .error(Code::AwsAccessDenied, attempted, &reason)
                .hint("attach the policy that the stack's output `PublishPolicy` or `ActivatePolicy` names"),
            _ => self
                .error(Code::AwsRefused, attempted, &reason)
                .hint("check `--profile` and `--region`, which select the account and the Region"),
        }
    }

    fn the_stack(&self) -> String {
        format!("read the stack `{}`", self.stack)
    }

    fn deploy(&self) -> String {
        format!("`make deploy STAGE={}`", self.stage)
    }

    fn error(&self, code: Code, attempted: &str, why: &str) -> Diagnostic {
        let region = self.region.as_ref().map(|region| format!("in `{region}`"));
        let profile = self.profile.as_ref().map(|profile| format!("with the profile `{profile}`"));
        let place = [region, profile].into_iter().flatten().collect::<Vec<_>>().join(" ");
        let place = if place.is_empty() { "with the configuration of the environment".to_owned() } else { place };
        Diagnostic::new(code, format!("cannot {attempted} {place}"), why)
    }
}
