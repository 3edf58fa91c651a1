"""The CDK's own command line: bootstrap, deploy, and deploy again."""

import json

import deployment
import emulator
import pytest
from client import greeted, receive
from fixture_package import write_package


@pytest.fixture
def bootstrapped(tmp_path_factory):
    """An AWS that `cdk bootstrap` has prepared. Policies are not enforced: MiniStack denies its bucket's own roles."""
    with emulator.running(tmp_path_factory.mktemp("bootstrapped")) as started:
        deployment.cdk(started, "bootstrap", f"aws://{deployment.ACCOUNT}/{emulator.REGION}")
        yield started


def test_a_second_deployment_keeps_the_api_and_the_tables(bootstrapped, package, bootstrap, tmp_path):
    first = deployment.deploy_by_command(bootstrapped, deployment.synthesize(package, tmp_path / "first", bootstrapped))
    changed = write_package(tmp_path / "chat.zip", bootstrap=bootstrap.replace(b'"hello"', b'"hello again"'))
    with greeted(first):
        pass
    second = deployment.deploy_by_command(
        bootstrapped, deployment.synthesize(changed, tmp_path / "second", bootstrapped)
    )
    assert second.url == first.url
    assert second.outputs == first.outputs
    with greeted(second, "hello again") as socket:
        socket.send(json.dumps({"action": "chat", "text": "hi"}))
        assert receive(socket)["text"] == "hi"
