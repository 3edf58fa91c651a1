"""`tidegate invoke`: one route on one event, without a socket."""

import json

import pytest
from errors import assert_error

EVENT = {
    "requestContext": {
        "routeKey": "echo", "eventType": "MESSAGE", "messageDirection": "IN", "messageId": "L3Zr0cfDoAMCJ5w=",
        "extendedRequestId": "L3Zr0G1fDoAFV7w=", "requestId": "L3Zr0G1fDoAFV7w=",
        "requestTime": "23/Nov/2026:14:21:00 +0000",
        "requestTimeEpoch": 1795443660000, "connectedAt": 1795443650000, "stage": "dev", "apiId": "local",
        "domainName": "localhost", "connectionId": "L3ZrycfDoAMCJ5w=", "identity": {"sourceIp": "127.0.0.1"},
    },
    "isBase64Encoded": False,
}


@pytest.fixture
def invoke(run, chat_app, tmp_path):
    def invoke(route, event):
        path = tmp_path / "event.json"
        path.write_text(event if isinstance(event, str) else json.dumps(event))
        return run("invoke", route, "--event", path, "--app", chat_app)

    return invoke


def test_route_response_is_printed_as_json(invoke):
    body = '{"action":"echo","text":"ü"}'
    done = invoke("echo", {**EVENT, "body": body})
    assert done.returncode == 0, done.stderr
    response = json.loads(done.stdout)
    assert (response["statusCode"], response["body"]) == (200, body)


def test_route_error_is_a_response(invoke):
    done = invoke("$default", {**EVENT, "body": "hello?"})
    response = json.loads(done.stdout)
    assert response["statusCode"] == 400
    assert "no JSON" in response["body"]


@pytest.mark.parametrize("event", ["", "{", "[]", "{}", '{"requestContext":{}}'])
def test_invalid_event_is_refused(invoke, event):
    done = invoke("echo", event)
    assert_error(done, "event-invalid", "event.json")


def test_unknown_route_is_refused(invoke):
    done = invoke("fly", {**EVENT, "body": "{}"})
    assert_error(done, "route-unknown", "`fly`")
