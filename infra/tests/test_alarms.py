import pytest
from aws_cdk.assertions import Template

TOPIC = "arn:aws:sns:eu-west-1:111122223333:pager"


def alarms(template: Template) -> dict[str, dict]:
    """The alarms by name, shorn of scope and hash."""
    found = template.find_resources("AWS::CloudWatch::Alarm")
    return {name.removeprefix("Alarms")[:-8]: alarm["Properties"] for name, alarm in found.items()}


def test_the_alarms_are_these(template):
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
def test_an_alarm_watches_its_metric(template, name, namespace, metric):
    alarm = alarms(template)[name]
    assert (alarm["Namespace"], alarm["MetricName"]) == (namespace, metric)


def test_slowness_is_the_99th_percentile(template):
    assert alarms(template)["HandlerSlow"]["ExtendedStatistic"] == "p99"
    assert alarms(template)["HandlerSlow"]["Threshold"] == 2_000


def test_metrics_are_those_of_this_app_and_stage(template, stage):
    (api,) = template.find_resources("AWS::ApiGatewayV2::Api")
    for name in ("IntegrationError", "ExecutionError"):
        dimensions = {item["Name"]: item["Value"] for item in alarms(template)[name]["Dimensions"]}
        assert dimensions == {"ApiId": {"Ref": api}, "Stage": stage}
    for name in ("Traps", "AuthorizerFaults", "ReleaseFailures", "CanaryHalts"):
        dimensions = {item["Name"]: item["Value"] for item in alarms(template)[name]["Dimensions"]}
        assert dimensions == {"App": "chat", "Stage": stage}


@pytest.mark.parametrize("name", ["ReleaseFailures", "CanaryHalts"])
def test_one_failed_release_and_one_halted_canary_are_enough(template, name):
    alarm = alarms(template)[name]
    assert (alarm["Statistic"], alarm["Threshold"], alarm["EvaluationPeriods"]) == ("Sum", 1, 1)
    assert alarm["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"


def test_the_authorizers_alarm_does_not_count_refusals(template, stage):
    (filter_,) = template.find_resources("AWS::Logs::MetricFilter").values()
    pattern = filter_["Properties"]["FilterPattern"]
    assert '$.record.status = "timeout"' in pattern
    # The status of an invocation that answered with an error, as a 401 does.
    assert "failure" not in pattern
    crashes = filter_["Properties"]["MetricTransformations"][0]
    assert crashes["MetricNamespace"] == f"Tidegate/chat-{stage}"
    alarm = alarms(template)["AuthorizerCrashes"]
    assert (alarm["Namespace"], alarm["MetricName"]) == (crashes["MetricNamespace"], crashes["MetricName"])


def test_alarms_go_to_the_topic_if_there_is_one(synthesize, chat):
    assert all(alarm["AlarmActions"] == [TOPIC] for alarm in alarms(synthesize(chat, alarm_topic=TOPIC)).values())
    assert not any("AlarmActions" in alarm for alarm in alarms(synthesize(chat)).values())
