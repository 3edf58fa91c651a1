//! Errors of tables, configuration values and the transport.

use tidegate_diagnostic::{Code, Diagnostic};

use crate::failure::code_of;

/// A table, a configuration value or the transport that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// DynamoDB rejected or failed a request for a table.
    #[error("cannot {action} the table `{table}`: {reason}")]
    Table {
        /// The action that failed, for example `create`.
        action: &'static str,
        /// The name of the table.
        table: String,
        /// DynamoDB's error code and message.
        reason: String,
    },
    /// A table with this name exists and has other keys.
    #[error("cannot use the table `{table}`: its keys are not `{expected}`")]
    OtherKeys {
        /// The name of the table.
        table: String,
        /// The key attributes that Tidegate needs.
        expected: String,
    },
    /// Configuration values could not be read.
    #[error("cannot read the configuration values `{names}` from {store}: {reason}")]
    Config {
        /// The names of the values, with the prefix.
        names: String,
        /// The service: Parameter Store or Secrets Manager.
        store: &'static str,
        /// The service's error code and message, or the reason for the missing response.
        reason: String,
    },
    /// The TLS library rejected its configuration.
    #[error("cannot set up TLS: {0}")]
    Tls(String),
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        match error {
            Error::Table { action, table, reason } => {
                Self::new(code_of(&reason), format!("cannot {action} the table `{table}`"), reason)
            }
            Error::OtherKeys { table, expected } => Self::new(
                Code::AwsTableMismatch,
                format!("cannot use the table `{table}`"),
                format!("its keys are not `{expected}`"),
            )
            .hint("choose another name, or delete the table"),
            Error::Config { names, store, reason } => {
                let code = code_of(&reason);
                let what = format!("cannot read the configuration values `{names}` from {store}");
                let diagnostic = Self::new(code, what, reason);
                match code {
                    Code::AwsAccessDenied => diagnostic
                        .hint("run `make deploy`, which lets the role read the values that routes are granted"),
                    _ => diagnostic,
                }
            }
            Error::Tls(reason) => {
                Self::new(Code::AwsTlsFailed, "cannot set up TLS", reason).hint("report this as a bug of Tidegate")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config_error(reason: &str) -> Diagnostic {
        Error::Config { names: "/a/b".to_owned(), store: "Parameter Store", reason: reason.to_owned() }.into()
    }

    #[test]
    fn codes_follow_the_reason() {
        for (reason, code) in [
            ("AccessDeniedException: not authorized", Code::AwsAccessDenied),
            ("ExpiredTokenException: expired", Code::AwsCredentialsExpired),
            ("no answer in time", Code::AwsUnreachable),
            ("ValidationException: bad", Code::AwsRefused),
        ] {
            let diagnostic = config_error(reason);
            assert_eq!(diagnostic.code, code);
            assert_eq!(diagnostic.why, reason);
        }
    }

    #[test]
    fn diagnostics_have_the_text_of_the_error() {
        let error = || Error::OtherKeys { table: "groups".to_owned(), expected: "group`, `connection_id".to_owned() };
        let diagnostic = Diagnostic::from(error());
        assert_eq!(diagnostic.code, Code::AwsTableMismatch);
        assert_eq!(diagnostic.to_string(), error().to_string());
    }
}
