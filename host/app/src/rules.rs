//! The names and numbers that AWS can hold: one table for `tidegate check` and for the stack in `infra/`.
//!
//! A test writes the table to `infra/tidegate_stack/rules.json`, which the stack reads. The tests of both read
//! `tests/names.json`, which has names that are accepted and names that are refused.

/// The rule for one kind of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NameRule {
    /// The allowed first characters, in the notation of a regular expression's class.
    first: &'static str,
    /// The allowed other characters.
    rest: &'static str,
    /// The maximum length in bytes.
    pub max_bytes: usize,
    /// The allowed names in words, which complete "expected".
    pub expected: &'static str,
}

const WORD: &str = "A-Za-z0-9_-";
/// The characters of ASCII that have a shape, and the space. CloudFormation replaces other characters of a template by
/// question marks.
const PRINTABLE: &str = " -~";

/// The name of an app, which is part of the name of a stack.
///
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html>
pub const APP: NameRule = NameRule {
    first: "A-Za-z",
    rest: "A-Za-z0-9-",
    max_bytes: 64,
    expected: "1 to 64 letters, digits and hyphens that begin with a letter, because it is part of a stack's name",
};

/// The name of a component, which is part of the name of a file, or of a key.
pub const COMPONENT: NameRule =
    NameRule { first: WORD, rest: WORD, max_bytes: 64, expected: "1 to 64 letters, digits, `-` and `_`" };

/// The name of a stage. A stack's name, which has at most 128 characters, ends with it: `tidegate-APP-STAGE`.
pub const STAGE: NameRule = NameRule {
    first: "A-Za-z0-9-",
    rest: "A-Za-z0-9-",
    max_bytes: 54,
    expected: "1 to 54 letters, digits and hyphens, because it is part of a stack's name",
};

/// The name of a configuration value: the last part of the name of a parameter or of a secret.
///
/// <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html>
pub const CONFIG: NameRule = NameRule {
    first: "A-Za-z0-9_.-",
    rest: "A-Za-z0-9_.-",
    max_bytes: 255,
    expected: "1 to 255 letters, digits, `-`, `_` and `.`, because it is part of a parameter's name",
};

/// The name of a collection. It is part of an IAM policy, and of the partition key of each document.
pub const COLLECTION: NameRule = NameRule {
    first: PRINTABLE,
    rest: PRINTABLE,
    max_bytes: 255,
    expected: "1 to 255 printable characters of ASCII, because it is part of an IAM policy",
};

/// A route key.
pub const ROUTE_KEY: NameRule = NameRule {
    first: PRINTABLE,
    rest: PRINTABLE,
    max_bytes: 128,
    expected: "1 to 128 printable characters of ASCII, because CloudFormation replaces all others by `?`",
};

/// The name of a header or of a query parameter in an identity source. API Gateway names this pattern in its refusal.
pub const PARAMETER: NameRule = NameRule {
    first: "A-Za-z0-9._-",
    rest: "A-Za-z0-9._-",
    max_bytes: 256,
    expected: "letters, digits, `.`, `_` and `-` after the last prefix, as API Gateway does",
};

/// The names of all rules in the table.
pub const NAMES: [(&str, NameRule); 7] = [
    ("app", APP),
    ("component", COMPONENT),
    ("stage", STAGE),
    ("config", CONFIG),
    ("collection", COLLECTION),
    ("route-key", ROUTE_KEY),
    ("parameter", PARAMETER),
];

/// The variables `context.NAME` that every handshake has, before it is authorized.
///
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-mapping-template-reference.html>
pub const CONTEXT: [&str; 13] = [
    "apiId",
    "connectedAt",
    "connectionId",
    "domainName",
    "eventType",
    "extendedRequestId",
    "identity.sourceIp",
    "identity.userAgent",
    "requestId",
    "requestTime",
    "requestTimeEpoch",
    "routeKey",
    "stage",
];

/// The stages of the stack in `infra/`.
pub const STAGES: [&str; 3] = ["dev", "stage", "prod"];

/// The maximum number of routes of an API, including `$connect` and `$disconnect`, which every deployment has.
///
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html>
pub const MAX_ROUTES: usize = 300;
/// The maximum number of resources of a stack.
///
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html>
pub const MAX_RESOURCES: usize = 500;
/// The number of resources for large policies, which the CDK splits off: two for each function.
pub const RESERVED_RESOURCES: usize = 4;
/// The number of resources of a stack without its routes and its authorizer.
pub const FIXED_RESOURCES: usize = 27;
/// The number of resources of an authorizer: its function, role, policy, log, alarms and permission.
pub const AUTHORIZER_RESOURCES: usize = 9;
/// The maximum number of characters of the names that one function may access, as its policy has them. A managed policy
/// has at most 6,144 characters.
pub const MAX_POLICY_CHARACTERS: usize = 5_800;
/// The number of characters of a policy for one configuration value, without its name and that of its app: the ARN of a
/// secret in a Region with a long name, and its quotes.
pub const CONFIG_CHARACTERS: usize = 100;
/// The maximum size of the app in the template, which has at most 1 MB. The routes have less than half of that.
pub const MAX_APP_BYTES: usize = 400_000;
/// The maximum size of the compiled components of a package. Lambda unpacks at most 250 MB, the host included.
///
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
pub const MAX_ARTIFACT_BYTES: usize = 240_000_000;

/// The memory of the handler in MiB, the host included, and that of the authorizer.
pub const FUNCTION_MEMORY: [usize; 2] = [512, 256];
/// The memory of the host itself in MiB, with the compiled code of an app.
pub const HOST_MEMORY: usize = 64;
/// The timeout of the authorizer in seconds.
pub const AUTHORIZER_SECONDS: u64 = 5;

/// A name that its rule does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid name `{name}`: expected {expected}")]
pub struct NameError {
    /// The name as given.
    pub name: String,
    /// The allowed names in words.
    pub expected: &'static str,
}

impl NameRule {
    /// Returns true if the rule allows the name.
    ///
    /// ```
    /// use tidegate_app::rules::{APP, STAGE};
    ///
    /// assert!(APP.allows("chat-2") && STAGE.allows("2"));
    /// assert!(!APP.allows("2-chat") && !STAGE.allows(""));
    /// ```
    #[must_use]
    pub fn allows(&self, name: &str) -> bool {
        let mut bytes = name.bytes();
        let first = bytes.next().is_some_and(|byte| is_in(self.first, byte));
        first && name.len() <= self.max_bytes && bytes.all(|byte| is_in(self.rest, byte))
    }

    /// Checks that the rule allows the name.
    ///
    /// # Errors
    /// [`NameError`] otherwise.
    pub fn check(&self, name: &str) -> Result<(), NameError> {
        match self.allows(name) {
            true => Ok(()),
            false => Err(NameError { name: name.to_owned(), expected: self.expected }),
        }
    }

    /// Returns the rule as a regular expression for a whole name.
    #[must_use]
    pub fn pattern(&self) -> String {
        format!("[{}][{}]{{0,{}}}", self.first, self.rest, self.max_bytes.saturating_sub(1))
    }
}

/// Returns true if a class such as `A-Za-z_-` has the byte.
fn is_in(class: &str, byte: u8) -> bool {
    let mut class = class.as_bytes();
    loop {
        class = match class {
            [low, b'-', high, rest @ ..] => {
                if (*low..=*high).contains(&byte) {
                    return true;
                }
                rest
            }
            [one, rest @ ..] => {
                if *one == byte {
                    return true;
                }
                rest
            }
            [] => return false,
        };
    }
}
