//! Errors of setting up the ports on AWS.

/// A table, a configuration value or the transport that cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// DynamoDB refused or failed a call about a table.
    #[error("cannot {action} the table `{table}`: {reason}")]
    Table {
        /// What was attempted.
        action: &'static str,
        /// The table.
        table: String,
        /// DynamoDB's error code and message.
        reason: String,
    },
    /// The name is taken by a table with other keys.
    #[error("the table `{table}` has other keys than `{expected}`; hint: choose another name or delete the table")]
    OtherKeys {
        /// The table.
        table: String,
        /// The key attributes it needs.
        expected: String,
    },
    /// Configuration values could not be read.
    #[error("cannot read the configuration values `{names}` from {store}: {reason}")]
    Config {
        /// Their names, with the prefix.
        names: String,
        /// Where they are.
        store: &'static str,
        /// The service's error code and message, or why there is none.
        reason: String,
    },
    /// The TLS library refuses its configuration.
    #[error("cannot set up TLS: {0}")]
    Tls(String),
}
