"""The CloudWatch alarms of an app in one stage."""

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

# Embedded metrics that `bootstrap` writes. Each is published with the dimensions `App` and `Stage` alone, which alarms
# use, and with the route and the track as well.
NAMESPACE = "Tidegate"
TRAPS = "Traps"
AUTHORIZER_FAULTS = "AuthorizerFaults"
RELEASE_FAILURES = "ReleaseFailures"
CANARY_HALTS = "CanaryHalts"

PERIOD = Duration.minutes(5)
# Default time limit of a route.
SLOW = Duration.seconds(2)


class Alarms(Construct):
    """The alarms of an app in one stage. Without a topic they change state and notify nobody."""

    def __init__(self, scope: Construct, name: str, app: App, stage: Stage, *, topic: str | None) -> None:
        super().__init__(scope, name)
        self.app = app
        self.stage = stage
        self.action = topic and SnsAction(Topic.from_topic_arn(self, "Topic", topic))

    def watch_handler(self, handler: HostFunction) -> None:
        """Adds alarms for errors, throttles, slow events, and traps of components."""
        function = handler.function
        self._alarm("HandlerErrors", function.metric_errors(period=PERIOD), "The handler failed events.")
        self._alarm("HandlerThrottles", function.metric_throttles(period=PERIOD), "Lambda refused events.")
        self._alarm(
            "HandlerSlow",
            function.metric_duration(period=PERIOD, statistic=Stats.percentile(99)),
            "One event in a hundred took more than 2 s.",
            threshold=SLOW.to_milliseconds(),
            periods=3,
        )
        self._alarm("Traps", self._host_metric(TRAPS), "Components trapped or missed their deadline.")

    def watch_authorizer(self, authorizer: HostFunction) -> None:
        """Adds alarms for faults of the authorizer, and none for refusals.

        A refusal (401) is a function error, so Lambda's `Errors` metric counts it too and cannot be used. `bootstrap`
        counts its own faults. It cannot count a crash or a timeout: those are counted from the platform's report of
        the invocation, whose status is `error` or `timeout` then, and `failure` after a function error.
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
        """Adds alarms for errors that API Gateway reports."""
        for name, text in (
            ("IntegrationError", "API Gateway got an error from the handler, or no response within 29 s."),
            ("ExecutionError", "API Gateway could not call the handler or the authorizer."),
        ):
            self._alarm(name, api.stage.metric(name, statistic=Stats.SUM, period=PERIOD), text)

    def watch_releases(self) -> None:
        """Adds alarms for releases that hosts cannot load, and for halted canaries."""
        for name, text in (
            (RELEASE_FAILURES, "A host cannot verify or load a release, and keeps the previous one."),
            (CANARY_HALTS, "A canary exceeded its error budget and was halted."),
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
            # A period without events is healthy.
            treat_missing_data=TreatMissingData.NOT_BREACHING,
        )
        if self.action:
            alarm.add_alarm_action(self.action)
