"""Pages in a real browser: what they reach of a running `tidegate dev`."""

import json
import os
import subprocess
from pathlib import Path

import chat
import pytest
import server

SCRIPT = Path(__file__).with_name("browser.mjs")
SECONDS = 240
# The responses that a page may see: 403, or none at all because the browser asks first, or hides them.
REFUSED = {403, "blocked", "opaque"}


@pytest.mark.parametrize("backend", [server.IN_PROCESS], indirect=True, ids=["in-process"])
def test_pages_reach_sockets_from_loopback_origins_and_nothing_else(
    serve, token, node, chromium, tmp_path
):
    running = serve("--memory")
    with chat.Client(running.url, token("ann")) as ann:
        connection = ann.receive(type="welcome")["connection"]
        outcomes = visit(running, token("mallory"), connection, node, chromium, tmp_path)
        # No page has sent a message or closed the connection: the next message is her own.
        assert json.loads(echo(ann)) == {"action": "echo", "text": "mine"}

    assert {name: outcome["socket"] for name, outcome in outcomes.items()} == {
        "foreign": "refused",
        "rebound": "refused",
        "foreignToLocalhost": "refused",
        "sandboxed": "refused",
        "development": "open",
        "developmentSubdomain": "open",
    }
    for name, outcome in outcomes.items():
        for call in ("token", "post", "simplePost", "remove", "get"):
            assert outcome[call] in REFUSED, (name, call, outcome)
    # The rebound page is of the gateway's own origin for the browser, so it sees each refusal.
    rebound = outcomes["rebound"]
    assert [rebound[call] for call in ("token", "post", "simplePost", "remove", "get")] == [403] * 5
    assert rebound["origin"] == f"http://evil.example:{running.port}"
    running.stop()
    assert "host-not-allowed" in running.errors and "origin-not-allowed" in running.errors


def echo(client):
    client.send({"action": "echo", "text": "mine"})
    return client.socket.recv(timeout=chat.TIMEOUT)


def visit(running, token, connection, node, chromium, tmp_path):
    """Runs the script and returns the outcomes by page."""
    settings = {
        "chromium": str(chromium), "libraries": str(chromium.parent / "al2023" / "lib"),
        "port": running.port, "token": token, "connection": connection,
    }
    environment = os.environ | {"TMPDIR": str(tmp_path), "HOME": str(tmp_path)}
    done = subprocess.run(
        [node, SCRIPT, json.dumps(settings)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, env=environment,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
