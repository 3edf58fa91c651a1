"""What differs between dev, stage and prod."""

from dataclasses import dataclass

from aws_cdk import RemovalPolicy
from aws_cdk.aws_lambda import ApplicationLogLevel
from aws_cdk.aws_logs import RetentionDays


@dataclass(frozen=True)
class Stage:
    """A stage of an app, which is also the name of its API Gateway stage."""

    name: str
    throttle_rate: int
    """Requests a second that API Gateway passes on, steady; the account's default is 10,000, callbacks included."""
    throttle_burst: int
    """Requests that may come at once; the account's default is 5,000."""
    log_retention: RetentionDays
    log_level: ApplicationLogLevel
    """The platform's filter: never above INFO, because embedded metrics have no level and would be dropped."""
    data_is_kept: bool
    """Whether stored documents and logs outlive the stack, and storage can be restored to a point in time."""

    @property
    def removal_policy(self) -> RemovalPolicy:
        """What happens to stored documents and logs when the stack goes."""
        return RemovalPolicy.RETAIN if self.data_is_kept else RemovalPolicy.DESTROY


DEV = Stage(
    name="dev",
    throttle_rate=100,
    throttle_burst=200,
    log_retention=RetentionDays.ONE_WEEK,
    log_level=ApplicationLogLevel.DEBUG,
    data_is_kept=False,
)
STAGE = Stage(
    name="stage",
    throttle_rate=500,
    throttle_burst=1_000,
    log_retention=RetentionDays.ONE_MONTH,
    log_level=ApplicationLogLevel.INFO,
    data_is_kept=False,
)
PROD = Stage(
    name="prod",
    throttle_rate=5_000,
    throttle_burst=2_500,
    log_retention=RetentionDays.THREE_MONTHS,
    log_level=ApplicationLogLevel.INFO,
    data_is_kept=True,
)

STAGES = {stage.name: stage for stage in (DEV, STAGE, PROD)}
