//! The closed list of error codes.

use std::fmt;

/// Declares the codes: the variant and its stable text.
macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// The stable identifier of a kind of failure, in kebab case.
        ///
        /// A code never changes its meaning. `docs/reference/errors.md` lists each with its cause, its remedy and an
        /// example; a test keeps the page complete.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[$doc])* $variant,)*
        }

        impl Code {
            /// Every code, in the order of their declaration.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Returns the text, for example `file-read`.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }
    };
}

// Keep each section sorted: two branches that add codes to one section then rarely conflict.
codes! {
    // Files, whatever they hold.
    /// A file or folder cannot be created.
    FileCreate = "file-create",
    /// A file or folder does not exist.
    FileNotFound = "file-not-found",
    /// A file or folder cannot be read.
    FileRead = "file-read",
    /// A file or folder cannot be written, replaced or removed.
    FileWrite = "file-write",

    // The manifest and `app.json`.
    /// A key of the manifest has a value that is not allowed.
    ManifestKeyInvalid = "manifest-key-invalid",
    /// A key that the manifest must have is missing.
    ManifestKeyMissing = "manifest-key-missing",
    /// The manifest has a key that does not exist.
    ManifestKeyUnknown = "manifest-key-unknown",
    /// The manifest is not TOML, or `app.json` is not JSON.
    ManifestSyntax = "manifest-syntax",

    // Components and their compilation.

    // Releases, signatures and keys.

    // Stores and rollouts.

    // The runtime: loading and linking a release.

    // AWS: credentials, stacks, services.
    /// AWS denied an operation to the caller's identity.
    AwsAccessDenied = "aws-access-denied",
    /// An answer is not of the protocol of the AWS service.
    AwsAnswerInvalid = "aws-answer-invalid",
    /// The credentials have expired or belong to no identity.
    AwsCredentialsExpired = "aws-credentials-expired",
    /// Neither the environment nor a profile has credentials.
    AwsCredentialsMissing = "aws-credentials-missing",
    /// An AWS service refused a request.
    AwsRefused = "aws-refused",
    /// No AWS Region is configured.
    AwsRegionMissing = "aws-region-missing",
    /// The stage has no CloudFormation stack.
    AwsStackNotFound = "aws-stack-not-found",
    /// The stack was deployed by a version of Tidegate without releases.
    AwsStackOutdated = "aws-stack-outdated",
    /// An AWS service did not answer.
    AwsUnreachable = "aws-unreachable",

    // The local run: gateway, database, Lambda emulator.

    // The function: its startup and its environment.

    // The command line.
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
