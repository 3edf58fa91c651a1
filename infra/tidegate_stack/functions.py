"""The handler and the authorizer: two functions of one package."""

from aws_cdk import Duration
from aws_cdk.aws_iam import PolicyStatement, Role, ServicePrincipal
from aws_cdk.aws_lambda import (
    Architecture,
    Code,
    Function,
    LoggingFormat,
    Runtime,
    SystemLogLevel,
    Tracing,
)
from aws_cdk.aws_logs import LogGroup
from constructs import Construct

from .package import BOOTSTRAP
from .stages import Stage

# Lambda gives 512 MB about a third of a CPU. A chat event needs 16 MiB, and the memories of its components.
HANDLER_MEMORY = 512
# Maximum time that API Gateway waits for an integration.
HANDLER_TIMEOUT = Duration.seconds(29)
AUTHORIZER_MEMORY = 256
AUTHORIZER_TIMEOUT = Duration.seconds(5)


class HostFunction(Construct):
    """A Lambda function that runs the bootstrap, with a log group and a role."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        stage: Stage,
        code: Code,
        architecture: Architecture,
        serves: str,
        memory: int,
        timeout: Duration,
        environment: dict[str, str],
    ) -> None:
        super().__init__(scope, name)
        self.log_group = LogGroup(self, "Logs", retention=stage.log_retention, removal_policy=stage.removal_policy)
        self.role = Role(self, "Role", assumed_by=ServicePrincipal("lambda.amazonaws.com"))
        # AWSLambdaBasicExecutionRole would allow writing to every log group of the account.
        self.role.add_to_policy(
            PolicyStatement(
                sid="Logs",
                actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                resources=[self.log_group.log_group_arn],
            )
        )
        self.function = Function(
            self,
            "Function",
            description=f"Tidegate {serves}, {stage.name}",
            runtime=Runtime.PROVIDED_AL2023,
            handler=BOOTSTRAP,
            code=code,
            architecture=architecture,
            memory_size=memory,
            timeout=timeout,
            role=self.role,
            log_group=self.log_group,
            logging_format=LoggingFormat.JSON,
            system_log_level_v2=SystemLogLevel.INFO,
            application_log_level_v2=stage.log_level,
            tracing=Tracing.ACTIVE,
            environment={"TIDEGATE_FUNCTION": serves, "STAGE": stage.name} | environment,
        )

    def allow(self, statements: list[PolicyStatement]) -> None:
        """Adds `statements` to the function's role."""
        for statement in statements:
            self.role.add_to_policy(statement)


class Handler(HostFunction):
    """The function that handles the events of every route."""

    def __init__(self, scope: Construct, name: str, **options) -> None:
        super().__init__(scope, name, serves="handler", memory=HANDLER_MEMORY, timeout=HANDLER_TIMEOUT, **options)


class Authorizer(HostFunction):
    """The function that authorizes `$connect`."""

    def __init__(self, scope: Construct, name: str, **options) -> None:
        super().__init__(
            scope, name, serves="authorizer", memory=AUTHORIZER_MEMORY, timeout=AUTHORIZER_TIMEOUT, **options
        )
