"""The CDK's command line: bootstrap, deploy, and deploy again."""

import json
import zipfile
from pathlib import Path

import chat
import deployment
import emulator
import pytest


@pytest.fixture
def bootstrapped(tmp_path_factory, secret):
    """An emulated AWS after `cdk bootstrap`. Policies are not enforced: MiniStack denies the bucket's own roles."""
    with emulator.running(tmp_path_factory.mktemp("bootstrapped")) as started:
        deployment.cdk(started, "bootstrap", f"aws://{deployment.ACCOUNT}/{emulator.REGION}")
        deployment.configure(started, {"jwt-secret": secret, "motd": "Deployed."})
        yield started


def test_second_deployment_keeps_the_api_and_the_tables(bootstrapped, package, token, tmp_path):
    first = deployment.deploy_by_command(bootstrapped, deployment.synthesize(package, tmp_path / "first", bootstrapped))
    with chat.Client(first.url, token("ann")) as ann:
        ann.say("kept")
        ann.socket.send("hello?")
        assert "no JSON" in ann.receive_error()
    changed = with_routes_swapped(package, tmp_path / "changed.zip")
    second = deployment.deploy_by_command(
        bootstrapped, deployment.synthesize(changed, tmp_path / "second", bootstrapped)
    )
    assert second.url == first.url
    assert second.outputs == first.outputs
    with chat.Client(second.url, token("ann")) as ann:
        assert [message["text"] for message in ann.history()] == ["kept"]
        ann.socket.send("hello?")
        while (text := ann.socket.recv(timeout=chat.TIMEOUT)) != "hello?":
            assert json.loads(text)["type"]


def with_routes_swapped(package: Path, changed: Path) -> Path:
    """Exchanges the components of two routes, which clients can observe."""
    with zipfile.ZipFile(package) as before, zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED) as after:
        for entry in before.infolist():
            content = before.read(entry)
            if entry.filename == "app.json":
                app = json.loads(content)
                one, other = app["routes"]["echo"], app["routes"]["$default"]
                one["component"], other["component"] = other["component"], one["component"]
                content = json.dumps(app)
            after.writestr(entry, content)
    return changed
