"""The settings of dev, stage and prod."""

from dataclasses import dataclass

from aws_cdk import RemovalPolicy
from aws_cdk.aws_lambda import ApplicationLogLevel
from aws_cdk.aws_logs import RetentionDays


@dataclass(frozen=True)
class Stage:
    """A stage of an app. Its name is also that of the API Gateway stage."""

    name: str
    throttle_rate: int
    """Steady rate of API Gateway in requests a second; the account's default is 10,000, callbacks included."""
    throttle_burst: int
    """Number of requests that API Gateway accepts at once; the account's default is 5,000."""
    log_retention: RetentionDays
    log_level: ApplicationLogLevel
    """Minimum level of Lambda's log filter. At most INFO: embedded metrics have no level, so WARN would drop them."""
    keeps_data: bool
    """True if documents, releases and logs outlive the stack, and tables have point-in-time recovery."""

    @property
    def removal_policy(self) -> RemovalPolicy:
        """Action on documents, releases and logs when the stack is deleted."""
        return RemovalPolicy.RETAIN if self.keeps_data else RemovalPolicy.DESTROY


DEV = Stage(
    name="dev",
    throttle_rate=100,
    throttle_burst=200,
    log_retention=RetentionDays.ONE_WEEK,
    log_level=ApplicationLogLevel.DEBUG,
    keeps_data=False,
)
STAGE = Stage(
    name="stage",
    throttle_rate=500,
    throttle_burst=1_000,
    log_retention=RetentionDays.ONE_MONTH,
    log_level=ApplicationLogLevel.INFO,
    keeps_data=False,
)
PROD = Stage(
    name="prod",
    throttle_rate=5_000,
    throttle_burst=2_500,
    log_retention=RetentionDays.THREE_MONTHS,
    log_level=ApplicationLogLevel.INFO,
    keeps_data=True,
)

STAGES = {stage.name: stage for stage in (DEV, STAGE, PROD)}
