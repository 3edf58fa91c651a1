import pytest
from aws_cdk.assertions import Template

TOPIC = "arn:aws:sns:eu-west-1:111122223333:pager"


def alarms(template: Template) -> dict[str, dict]:
    """Returns the alarms by name, without the scope and the hash."""
    found = template.find_resources("AWS::CloudWatch::Alarm")
    return {name.removeprefix("Alarms")[:-8]: alarm["Properties"] for name, alarm in found.items()}


def test_every_stage_has_all_alarms(template):
    found = alarms(template)
    assert set(found) == {
        "HandlerErrors",
        "HandlerThrottles",
        "HandlerSlow",
        "Traps",
        "AuthorizerCrashes",
        "AuthorizerFaults",
        "ReleaseFailures",
        "CanaryHalts",
        "IntegrationError",
        "ExecutionError",
    }
    assert {alarm["TreatMissingData"] for alarm in found.values()} == {"notBreaching"}


@pytest.mark.parametrize(
    ("name", "namespace", "metric"),
    [
        ("HandlerErrors", "AWS/Lambda", "Errors"),
        ("HandlerThrottles", "AWS/Lambda", "Throttles"),
        ("HandlerSlow", "AWS/Lambda", "Duration"),
        ("Traps", "Tidegate", "Traps"),
        ("AuthorizerFaults", "Tidegate", "AuthorizerFaults"),
        ("ReleaseFailures", "Tidegate", "ReleaseFailures"),
        ("CanaryHalts", "Tidegate", "CanaryHalts"),
        ("IntegrationError", "AWS/ApiGateway", "IntegrationError"),
        ("ExecutionError", "AWS/ApiGateway", "ExecutionError"),
    ],
)
def test_each_alarm_watches_its_metric(template, name, namespace, metric):
    alarm = alarms(template)[name]
    assert (alarm["Namespace"], alarm["MetricName"]) == (namespace, metric)


def test_slow_events_are_measured_at_the_99th_percentile(template):
    assert alarms(template)["HandlerSlow"]["ExtendedStatistic"] == "p99"
    assert alarms(template)["HandlerSlow"]["Threshold"] == 2_000


def test_metrics_are_limited_to_the_app_and_the_stage(template, stage):
    (api,) = template.find_resources("AWS::ApiGatewayV2::Api")
    for name in ("IntegrationError", "ExecutionError"):
        dimensions = {item["Name"]: item["Value"] for item in alarms(template)[name]["Dimensions"]}
        assert dimensions == {"ApiId": {"Ref": api}, "Stage": stage}
    for name in ("Traps", "AuthorizerFaults", "ReleaseFailures", "CanaryHalts"):
        dimensions = {item["Name"]: item["Value"] for item in alarms(template)[name]["Dimensions"]}
        assert dimensions == {"App": "chat", "Stage": stage}


@pytest.mark.parametrize("name", ["ReleaseFailures", "CanaryHalts"])
def test_release_alarms_fire_at_the_first_failure(template, name):
    alarm = alarms(template)[name]
    assert (alarm["Statistic"], alarm["Threshold"], alarm["EvaluationPeriods"]) == ("Sum", 1, 1)
    assert alarm["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"


def test_authorizer_alarms_ignore_refusals(template, stage):
    (filter_,) = template.find_resources("AWS::Logs::MetricFilter").values()
    pattern = filter_["Properties"]["FilterPattern"]
    assert '$.record.status = "timeout"' in pattern
    # The status `failure` means a function error, and a 401 is one.
    assert "failure" not in pattern
    crashes = filter_["Properties"]["MetricTransformations"][0]
    assert crashes["MetricNamespace"] == f"Tidegate/chat-{stage}"
    alarm = alarms(template)["AuthorizerCrashes"]
    assert (alarm["Namespace"], alarm["MetricName"]) == (crashes["MetricNamespace"], crashes["MetricName"])


def test_alarms_notify_the_topic_if_one_is_set(synthesize, chat):
    assert all(alarm["AlarmActions"] == [TOPIC] for alarm in alarms(synthesize(chat, alarm_topic=TOPIC)).values())
    assert not any("AlarmActions" in alarm for alarm in alarms(synthesize(chat)).values())
