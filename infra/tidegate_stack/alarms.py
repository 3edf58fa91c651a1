"""What wakes somebody up."""

from aws_cdk import Duration
from aws_cdk.aws_cloudwatch import (
    Alarm,
    ComparisonOperator,
    IMetric,
    Metric,
    Stats,
    TreatMissingData,
)
from aws_cdk.aws_cloudwatch_actions import SnsAction
from aws_cdk.aws_logs import FilterPattern, MetricFilter
from aws_cdk.aws_sns import Topic
from constructs import Construct

from .api import Api
from .functions import HostFunction
from .package import App
from .stages import Stage

# What `bootstrap` writes as embedded metrics. Besides the sets by route and track there is one with these two only.
NAMESPACE = "Tidegate"
TRAPS = "Traps"
AUTHORIZER_FAULTS = "AuthorizerFaults"
RELEASE_FAILURES = "ReleaseFailures"
CANARY_HALTS = "CanaryHalts"

PERIOD = Duration.minutes(5)
# The time that a route has unless its manifest says otherwise.
SLOW = Duration.seconds(2)


class Alarms(Construct):
    """The alarms of an app in one stage. Without a topic they only change colour."""

    def __init__(self, scope: Construct, name: str, app: App, stage: Stage, *, topic: str | None) -> None:
        super().__init__(scope, name)
        self.app = app
        self.stage = stage
        self.action = topic and SnsAction(Topic.from_topic_arn(self, "Topic", topic))

    def watch_handler(self, handler: HostFunction) -> None:
        """Errors, throttles, slowness, and traps of guests."""
        function = handler.function
        self._alarm("HandlerErrors", function.metric_errors(period=PERIOD), "The handler failed events.")
        self._alarm("HandlerThrottles", function.metric_throttles(period=PERIOD), "Lambda refused events.")
        self._alarm(
            "HandlerSlow",
            function.metric_duration(period=PERIOD, statistic=Stats.percentile(99)),
            "One event in a hundred took over 2 s.",
            threshold=SLOW.to_milliseconds(),
            periods=3,
        )
        self._alarm("Traps", self._host_metric(TRAPS), "Components trapped or missed their deadline.")

    def watch_authorizer(self, authorizer: HostFunction) -> None:
        """Faults, not refusals: a 401 is a function error, so Lambda's `Errors` would count it.

        `bootstrap` counts its own faults. A crash or a timeout leaves it no time to, so those are counted from the
        platform's report of each invocation, whose status is `failure` when the function answered with an error.
        """
        crashes = MetricFilter(
            authorizer,
            "Crashes",
            log_group=authorizer.log_group,
            metric_namespace=f"{NAMESPACE}/{self.app.name}-{self.stage.name}",
            metric_name="AuthorizerCrashes",
            metric_value="1",
            filter_pattern=FilterPattern.all(
                FilterPattern.string_value("$.type", "=", "platform.report"),
                FilterPattern.any(
                    FilterPattern.string_value("$.record.status", "=", "error"),
                    FilterPattern.string_value("$.record.status", "=", "timeout"),
                ),
            ),
        )
        crashes = crashes.metric(period=PERIOD, statistic=Stats.SUM)
        self._alarm("AuthorizerFaults", self._host_metric(AUTHORIZER_FAULTS), "The authorizer failed: clients got 500.")
        self._alarm("AuthorizerCrashes", crashes, "The authorizer crashed or timed out: clients got 500.")

    def watch_api(self, api: Api) -> None:
        """What API Gateway itself saw fail."""
        for name, text in (
            ("IntegrationError", "API Gateway got errors from the handler, or no answer within 29 s."),
            ("ExecutionError", "API Gateway could not call the handler or the authorizer."),
        ):
            self._alarm(name, api.stage.metric(name, statistic=Stats.SUM, period=PERIOD), text)

    def watch_releases(self) -> None:
        """What both functions saw fail of the releases that they were told to run; they serve the last good one."""
        for name, text in (
            (RELEASE_FAILURES, "Hosts could not verify or load a release: they run the one before."),
            (CANARY_HALTS, "A canary failed more often than its budget allows, and was halted."),
        ):
            self._alarm(name, self._host_metric(name), text)

    def _host_metric(self, name: str) -> Metric:
        return Metric(
            namespace=NAMESPACE,
            metric_name=name,
            dimensions_map={"App": self.app.name, "Stage": self.stage.name},
            statistic=Stats.SUM,
            period=PERIOD,
        )

    def _alarm(self, name: str, metric: IMetric, text: str, *, threshold: float = 1, periods: int = 1) -> None:
        alarm = Alarm(
            self,
            name,
            alarm_description=text,
            metric=metric,
            threshold=threshold,
            evaluation_periods=periods,
            comparison_operator=ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            # No events are no fault.
            treat_missing_data=TreatMissingData.NOT_BREACHING,
        )
        if self.action:
            alarm.add_alarm_action(self.action)
