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
    // Files of any kind.
    /// A file or folder cannot be created.
    FileCreate = "file-create",
    /// A file or folder does not exist.
    FileNotFound = "file-not-found",
    /// A file or folder cannot be read.
    FileRead = "file-read",
    /// A file or folder cannot be written, replaced or removed.
    FileWrite = "file-write",

    // The manifest and `app.json`.
    /// The app is larger than a stack, a policy or a package can be.
    AppTooLarge = "app-too-large",
    /// The app has an authorizer and no `$connect` route.
    AuthorizerWithoutConnect = "authorizer-without-connect",
    /// A route or the authorizer names a component that the app does not have.
    ComponentUndefined = "component-undefined",
    /// Neither a route nor the authorizer uses a component.
    ComponentUnused = "component-unused",
    /// A grant has an empty name of a collection or a configuration value.
    GrantNameEmpty = "grant-name-empty",
    /// The authorizer is granted something other than configuration.
    GrantNotAllowed = "grant-not-allowed",
    /// No route inherits the grants of a component.
    GrantUnused = "grant-unused",
    /// A pattern of groups is not valid.
    GroupPatternInvalid = "group-pattern-invalid",
    /// API Gateway does not accept an identity source.
    IdentitySourceInvalid = "identity-source-invalid",
    /// A limit is not a size or a time, or is out of range.
    LimitInvalid = "limit-invalid",
    /// A required key is missing.
    ManifestKeyMissing = "manifest-key-missing",
    /// A key does not exist.
    ManifestKeyUnknown = "manifest-key-unknown",
    /// The manifest does not exist.
    ManifestNotFound = "manifest-not-found",
    /// The manifest is not TOML, or `app.json` is not JSON.
    ManifestSyntax = "manifest-syntax",
    /// A key has a value of the wrong type.
    ManifestTypeMismatch = "manifest-type-mismatch",
    /// A key has a value that is not allowed, for example an empty path.
    ManifestValueInvalid = "manifest-value-invalid",
    /// A key has a value that is not one of the allowed words.
    ManifestValueUnknown = "manifest-value-unknown",
    /// The name of an app, a component, a key, a collection or a configuration value is not valid.
    NameInvalid = "name-invalid",
    /// A public key is not an ed25519 key in base64.
    PublicKeyInvalid = "public-key-invalid",
    /// A route that cannot respond has `response = true`.
    ResponseNotAllowed = "response-not-allowed",
    /// A route key is empty, too long, not printable ASCII, or starts with a `$` that API Gateway does not define.
    RouteKeyInvalid = "route-key-invalid",
    /// The app has no routes.
    RoutesMissing = "routes-missing",
    /// The app has more routes than API Gateway or a stack can hold.
    RoutesTooMany = "routes-too-many",
    /// API Gateway does not accept the route selection expression.
    SelectionExpressionInvalid = "selection-expression-invalid",
    /// The name of a stage is not valid.
    StageNameInvalid = "stage-name-invalid",

    // Components and their compilation.
    /// The release has no artifact of a component that it uses.
    ComponentArtifactMissing = "component-artifact-missing",
    /// Wasmtime cannot compile a component.
    ComponentCompileFailed = "component-compile-failed",
    /// A component that only the authorizer uses imports an interface that an authorizer can never be granted.
    ComponentGrantImpossible = "component-grant-impossible",
    /// A component imports an interface that no use of it is granted.
    ComponentGrantMissing = "component-grant-missing",
    /// A component imports an interface that the host does not offer.
    ComponentImportUnknown = "component-import-unknown",
    /// A component is damaged or incomplete.
    ComponentInvalid = "component-invalid",
    /// A component does not link against the host.
    ComponentLink = "component-link",
    /// A component starts with more memory than its route may use.
    ComponentMemoryAboveLimit = "component-memory-above-limit",
    /// A component does not export the interface of the role that the manifest gives it.
    ComponentRoleWrong = "component-role-wrong",
    /// A component needs more memories, tables or table elements than the host has room for.
    ComponentTooLarge = "component-too-large",
    /// A component was built against another version of the WIT package.
    ComponentVersionUnsupported = "component-version-unsupported",
    /// A component exports neither interface of `tidegate:route`.
    ComponentWorldWrong = "component-world-wrong",
    /// This machine's CPU or operating system cannot run artifacts.
    MachineUnsupported = "machine-unsupported",
    /// A file is not a WebAssembly component.
    NotAComponent = "not-a-component",
    /// A target is not one that artifacts are compiled for.
    TripleUnknown = "triple-unknown",

    // Releases, signatures and keys.
    /// A stored artifact is not the one that the release was signed with.
    ArtifactAltered = "artifact-altered",
    /// A text is not the id of a key.
    KeyIdInvalid = "key-id-invalid",
    /// A file does not contain an ed25519 private key.
    KeyInvalid = "key-invalid",
    /// The system provides no random bytes for a new key.
    KeyRandom = "key-random",
    /// A release was signed by a key that is revoked.
    KeyRevoked = "key-revoked",
    /// No signature of a release is by a key that the stage trusts.
    KeyUntrusted = "key-untrusted",
    /// A release was altered after it was signed.
    ReleaseAltered = "release-altered",
    /// Another release with the same id is published.
    ReleaseDifferent = "release-different",
    /// A release folder has a file that does not belong to the release or is not valid.
    ReleaseFolderInvalid = "release-folder-invalid",
    /// A release has a format that this version does not know.
    ReleaseFormat = "release-format",
    /// A text is not the id of a release.
    ReleaseIdInvalid = "release-id-invalid",
    /// The content of a release does not have the id that it is stored under.
    ReleaseIdMismatch = "release-id-mismatch",
    /// A release was compiled for another engine, target, CPU or WIT package.
    ReleaseIncompatible = "release-incompatible",
    /// Artifacts of a release are not in the store.
    ReleaseIncomplete = "release-incomplete",
    /// A stored object is not a signed release.
    ReleaseMalformed = "release-malformed",
    /// A release belongs to another app.
    ReleaseOtherApp = "release-other-app",
    /// A release has no signature.
    ReleaseUnsigned = "release-unsigned",
    /// The routing of a release differs from the deployed routing.
    RoutingDiffers = "routing-differs",

    // Stores and rollouts.
    /// The canary was halted, and the operation would run it on.
    CanaryHalted = "canary-halted",
    /// The operation needs a canary, and there is none.
    CanaryMissing = "canary-missing",
    /// A release was published while `prune` removed artifacts that it needs.
    PruneOvertaken = "prune-overtaken",
    /// Another `prune` is running or was interrupted.
    PruneRunning = "prune-running",
    /// The release is active already.
    ReleaseActive = "release-active",
    /// The release cannot be removed while it is active or the canary.
    ReleaseInUse = "release-in-use",
    /// The operation needs an active release, and there is none.
    ReleaseNoneActive = "release-none-active",
    /// The history has no earlier release to roll back to.
    ReleaseNonePrevious = "release-none-previous",
    /// The release is about to be pruned.
    ReleasePruned = "release-pruned",
    /// Another process changed the store first.
    StoreConflict = "store-conflict",
    /// The store rejected the operation.
    StoreDenied = "store-denied",
    /// The rollout state has an older generation than hosts have followed.
    RolloutWentBack = "rollout-went-back",
    /// A stored value is not valid.
    StoreInvalid = "store-invalid",
    /// The release or artifact is not in the store.
    StoreNotFound = "store-not-found",
    /// The store did not respond, or it failed.
    StoreUnavailable = "store-unavailable",
    /// A traffic weight is not a percentage from 0.01 to 100.
    TrafficWeightInvalid = "traffic-weight-invalid",

    // The runtime: loading and linking a release.
    /// A compiled component does not load.
    ArtifactLoad = "artifact-load",
    /// The engine cannot be created.
    EngineCreate = "engine-create",
    /// An optional member of an event has a value of the wrong type, which is ignored.
    EventMemberIgnored = "event-member-ignored",
    /// The host's own interfaces do not link.
    HostInterfacesLink = "host-interfaces-link",
    /// A release cannot be linked on the host, for lack of time.
    ReleaseLink = "release-link",
    /// The thread that interrupts guests does not start.
    TickerStart = "ticker-start",

    // AWS: credentials, stacks, services.
    /// AWS denied an operation to the caller's identity.
    AwsAccessDenied = "aws-access-denied",
    /// A response does not follow the protocol of the AWS service.
    AwsAnswerInvalid = "aws-answer-invalid",
    /// The credentials have expired or belong to no identity.
    AwsCredentialsExpired = "aws-credentials-expired",
    /// Neither the environment nor a profile has credentials.
    AwsCredentialsMissing = "aws-credentials-missing",
    /// An AWS service rejected a request.
    AwsRefused = "aws-refused",
    /// No AWS Region is configured.
    AwsRegionMissing = "aws-region-missing",
    /// The stage has no CloudFormation stack.
    AwsStackNotFound = "aws-stack-not-found",
    /// The stack was deployed by a version of Tidegate without releases.
    AwsStackOutdated = "aws-stack-outdated",
    /// A DynamoDB table has other keys than Tidegate needs.
    AwsTableMismatch = "aws-table-mismatch",
    /// The TLS library refused its configuration.
    AwsTlsFailed = "aws-tls-failed",
    /// An AWS service did not respond.
    AwsUnreachable = "aws-unreachable",

    // The local run: gateway, database, Lambda emulator.
    /// A process of `dev --lambda` cannot be started.
    ChildStartFailed = "child-start-failed",
    /// A line of the `.env` file is not valid.
    ConfigFileInvalid = "config-file-invalid",
    /// Another process uses the data folder.
    DataLocked = "data-locked",
    /// The local database fails.
    DatabaseFailed = "database-failed",
    /// No `tidegate dev` runs for an app.
    DevNotRunning = "dev-not-running",
    /// Several `tidegate dev` run for an app.
    DevRunsSeveral = "dev-runs-several",
    /// Connections or messages were still under way at the end of the drain time.
    DrainTimedOut = "drain-timed-out",
    /// An execution environment of a local function cannot be started.
    EnvironmentStartFailed = "environment-start-failed",
    /// A request to the local gateway is for a name that is not accepted.
    HostNotAllowed = "host-not-allowed",
    /// A local function is closed.
    InvocationClosed = "invocation-closed",
    /// A function failed, or its process ended.
    InvocationFailed = "invocation-failed",
    /// Every environment of a local function is busy.
    InvocationThrottled = "invocation-throttled",
    /// A function exceeded its timeout.
    InvocationTimedOut = "invocation-timed-out",
    /// The gateway cannot invoke a function.
    InvocationUnavailable = "invocation-unavailable",
    /// The gateway cannot listen on an address.
    ListenFailed = "listen-failed",
    /// The memory budget of the process has no room.
    MemoryExhausted = "memory-exhausted",
    /// A request to the local gateway comes from a page whose origin is not accepted.
    OriginNotAllowed = "origin-not-allowed",
    /// Another process listens on the port.
    PortInUse = "port-in-use",
    /// The reply of a function is malformed.
    ReplyInvalid = "reply-invalid",
    /// The routing of a running app has changed, which needs a restart of `tidegate dev`.
    RoutingChanged = "routing-changed",
    /// The system refused to accept a socket.
    SocketAcceptFailed = "socket-accept-failed",
    /// No further socket can be opened.
    SocketsExhausted = "sockets-exhausted",
    /// The system cannot watch a folder.
    WatchFailed = "watch-failed",
    /// A pattern of `watch` in the manifest is not valid.
    WatchPatternInvalid = "watch-pattern-invalid",

    // The function: its startup and its environment.
    /// The package has no authorizer, and the function is the authorizer.
    FunctionAuthorizerMissing = "function-authorizer-missing",
    /// The client of AWS services cannot be created.
    FunctionClient = "function-client",
    /// The configuration values of the function cannot be read.
    FunctionConfigRead = "function-config-read",
    /// An environment variable of the function has a value that is not allowed.
    FunctionEnvironmentInvalid = "function-environment-invalid",
    /// An environment variable of the function is missing.
    FunctionEnvironmentMissing = "function-environment-missing",
    /// The executor of the function does not start.
    FunctionExecutorStart = "function-executor-start",
    /// The trusted keys of the package cannot be read.
    FunctionKeysRead = "function-keys-read",
    /// The program does not run on Lambda.
    FunctionNotOnLambda = "function-not-on-lambda",
    /// Lambda's Runtime API fails.
    FunctionRuntimeApi = "function-runtime-api",

    // The command line.
    /// The bootstrap cannot be built.
    BootstrapBuildFailed = "bootstrap-build-failed",
    /// A bootstrap is not an executable for the target.
    BootstrapInvalid = "bootstrap-invalid",
    /// The bootstrap cannot be found.
    BootstrapMissing = "bootstrap-missing",
    /// A build command cannot be started or fails.
    BuildCommandFailed = "build-command-failed",
    /// Others can change the cache of compiled components.
    CacheUnsafe = "cache-unsafe",
    /// The file of a component does not exist.
    ComponentFileMissing = "component-file-missing",
    /// A file is not an API Gateway event.
    EventInvalid = "event-invalid",
    /// An event belongs to another kind of route.
    EventRouteMismatch = "event-route-mismatch",
    /// A release has grants that the current one does not have.
    GrantsWidened = "grants-widened",
    /// The user has no home folder.
    HomeFolderMissing = "home-folder-missing",
    /// Tidegate itself is at fault, or the operating system denies it a basic resource.
    Internal = "internal-error",
    /// The app has no configuration value `jwt-secret`.
    JwtSecretMissing = "jwt-secret-missing",
    /// The log filter cannot be parsed.
    LogFilterInvalid = "log-filter-invalid",
    /// No app is deployed to the folder of releases.
    NothingDeployed = "nothing-deployed",
    /// The file of a new private key exists already.
    PrivateKeyExists = "private-key-exists",
    /// Several release ids start with the given digits.
    ReleaseAmbiguous = "release-ambiguous",
    /// The deployed app is used as a release, which it is not.
    ReleaseNotPublished = "release-not-published",
    /// The folder of releases does not exist.
    ReleasesMissing = "releases-missing",
    /// The folder of releases belongs to another app.
    ReleasesOfOtherApp = "releases-of-other-app",
    /// Another operator changed the rollout first.
    RolloutConflict = "rollout-conflict",
    /// It is unknown whether the rollout was changed.
    RolloutOutcomeUnknown = "rollout-outcome-unknown",
    /// The app has no route with this key.
    RouteUnknown = "route-unknown",
    /// There is no signing key, or its file cannot be read.
    SigningKeyMissing = "signing-key-missing",
    /// Other users can read the file of a signing key.
    SigningKeyReadable = "signing-key-readable",
    /// Others can change the folder `.tidegate` of an app, or it has a link.
    StateFolderUnsafe = "state-folder-unsafe",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
