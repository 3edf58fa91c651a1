//! What went wrong while a stage was looked for, and what to do.

use std::error::Error as StdError;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_cloudformation::config::http::HttpResponse;
use aws_sdk_cloudformation::error::{ProvideErrorMetadata, SdkError};

use super::{Query, stack_name};
use crate::error::Error;
use crate::failure::{NO_SENSE, said};

/// Makes errors that name the stage, the Region and the profile.
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

    /// The same, once the Region is known.
    pub(super) fn in_region(&self, region: &str) -> Self {
        Self { region: Some(region.to_owned()), ..self.clone() }
    }

    pub(super) fn no_answer(&self) -> Error {
        self.error(&self.the_stack(), "no answer in time", "is there a network?")
    }

    pub(super) fn no_region(&self) -> Error {
        let hint = "`--region` names one, as do `AWS_REGION` and a profile's `region`";
        self.error(&self.the_stack(), "no Region is known", hint)
    }

    pub(super) fn no_credentials(&self, reason: &str) -> Error {
        let hint = match &self.profile {
            Some(profile) => format!("`aws sso login --profile {profile}`, or look at the profile in `~/.aws/config`"),
            None => "`--profile` names a profile, `aws sso login` renews one".to_owned(),
        };
        self.error(&self.the_stack(), &format!("there are no credentials: {reason}"), &hint)
    }

    pub(super) fn no_credentials_because(&self, error: &CredentialsError) -> Error {
        match (error, &self.profile, error.source()) {
            // It would list each place that it looked at.
            (CredentialsError::CredentialsNotLoaded(_), None, _) => {
                self.no_credentials("neither the environment nor a profile has any")
            }
            // The cause says more than that there is one.
            (_, _, Some(cause)) => self.no_credentials(&chain(cause)),
            (error, _, None) => self.no_credentials(&chain(error)),
        }
    }

    pub(super) fn no_output(&self, output: &str) -> Error {
        self.error(&self.the_releases(), &format!("the stack has no output `{output}`"), &self.deploy())
    }

    pub(super) fn no_app(&self, reason: &str) -> Error {
        let attempted = format!("find the app that the stack `{}` was deployed with", self.stack);
        self.error(&attempted, reason, &self.deploy())
    }

    /// What AWS said, or why it said nothing.
    pub(super) fn refused<E: ProvideErrorMetadata + StdError + 'static>(
        &self,
        attempted: &str,
        error: &SdkError<E, HttpResponse>,
    ) -> Error {
        let SdkError::ServiceError(service) = error else {
            return self.error(attempted, &chain(error), "is there a network?");
        };
        let (code, message) = (error.code().unwrap_or_default(), error.message().unwrap_or_default());
        let reason = said(service.raw().status().as_u16(), code, message);
        match code {
            "" => {
                self.error(attempted, &format!("{NO_SENSE}: {reason}"), "is something else answering in AWS's place?")
            }
            // CloudFormation has no name of its own for it.
            "ValidationError" if message.contains("does not exist") => {
                let hint = format!("{}, or name another `--region` or `--profile`", self.deploy());
                self.error(attempted, "there is none", &hint)
            }
            "ExpiredToken" | "ExpiredTokenException" | "InvalidClientTokenId" | "UnrecognizedClientException" => {
                let renew = self.profile.as_ref().map_or(String::new(), |profile| format!(" --profile {profile}"));
                self.error(attempted, &reason, &format!("`aws sso login{renew}`, or other credentials"))
            }
            "AccessDenied" | "AccessDeniedException" => self.error(
                attempted,
                &reason,
                "the stack's outputs `PublishPolicy` and `ActivatePolicy` name what allows it",
            ),
            _ => self.error(attempted, &reason, "`--profile` and `--region` say whose stage, and where"),
        }
    }

    fn the_stack(&self) -> String {
        format!("read the stack `{}`", self.stack)
    }

    fn the_releases(&self) -> String {
        format!("find the releases of the stack `{}`", self.stack)
    }

    fn deploy(&self) -> String {
        format!("`make deploy STAGE={}`", self.stage)
    }

    fn error(&self, attempted: &str, reason: &str, hint: &str) -> Error {
        let region = self.region.as_ref().map(|region| format!("in `{region}`"));
        let profile = self.profile.as_ref().map(|profile| format!("with the profile `{profile}`"));
        let place = [region, profile].into_iter().flatten().collect::<Vec<_>>().join(" ");
        let place = if place.is_empty() { "with what the environment says".to_owned() } else { place };
        Error::Deployed { attempted: attempted.to_owned(), place, reason: reason.to_owned(), hint: hint.to_owned() }
    }
}

/// What an error says, and what caused it.
pub(super) fn chain(error: &dyn StdError) -> String {
    let mut said = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        // Many an error repeats its cause.
        if !said.iter().any(|said| said.contains(&text)) {
            said.push(text);
        }
        cause = error.source();
    }
    said.join(": ")
}
