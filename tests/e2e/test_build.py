"""Interrupted builds, and events that do not match the route."""

import json
import os
import signal
import subprocess

import server
from errors import assert_error
from waiting import wait_until

WAIT_SECONDS = 30
MANIFEST = """
[app]
name = "slow"
route-selection-expression = "$request.body.action"

[components.slow]
source = "slow.wasm"
build = "echo $$ > group.tmp && mv group.tmp group && sleep 1000 & wait"

[routes."$default"]
component = "slow"
"""


def is_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_interrupted_build_leaves_no_process_behind(tidegate, tmp_path):
    (tmp_path / "tidegate.toml").write_text(MANIFEST)
    process = subprocess.Popen(
        [tidegate, "dev", tmp_path, "--port", "0", "--memory"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=server.environment(),
    )
    try:
        assert wait_until((tmp_path / "group").exists)
        group = int((tmp_path / "group").read_text())
        assert is_alive(group)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=WAIT_SECONDS)
        assert process.returncode == 130
        assert wait_until(lambda: not is_alive(group))
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def test_event_of_another_kind_is_refused(run, chat_app, tmp_path):
    context = {
        "routeKey": "chat", "eventType": "MESSAGE", "extendedRequestId": "e",
        "requestTime": "23/Nov/2026:14:00:00 +0000",
        "messageDirection": "IN", "stage": "dev", "connectedAt": 1, "requestTimeEpoch": 2,
        "identity": {"sourceIp": "127.0.0.1"}, "requestId": "r", "domainName": "localhost", "connectionId": "c=",
        "apiId": "local", "messageId": "m",
    }
    event = tmp_path / "message.json"
    event.write_text(json.dumps({"requestContext": context, "body": "{}", "isBase64Encoded": False}))
    done = run("invoke", "$connect", "--app", chat_app, "--event", event)
    assert_error(done, "event-route-mismatch", "message", "`$connect`")
