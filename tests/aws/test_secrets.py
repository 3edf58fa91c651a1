"""The chat with its configuration in Secrets Manager."""

import chat
import deployment
import pytest
import tokens
from permissions import Permission, permissions

SECRET = "a secret of Secrets Manager"
MOTD = "From Secrets Manager."
NEEDED = Permission("authorizer", "Config", "secretsmanager:GetSecretValue")


@pytest.fixture(scope="module")
def app(ministack, package, tmp_path_factory):
    """The chat, deployed with `-c config-source=secrets-manager`."""
    deployment.configure(ministack, {"jwt-secret": SECRET, "motd": MOTD}, secrets=True)
    output = tmp_path_factory.mktemp("cdk.out")
    assembly = deployment.synthesize(package, output, ministack, config_source="secrets-manager")
    deployed = deployment.deploy(ministack, assembly, "chat-secrets", change=deployment.without_parameter)
    yield deployed
    deployment.delete(deployed)


def test_authorizer_and_greeting_read_their_secrets(app):
    with chat.Client(app.url, tokens.make(SECRET, "ann")) as ann:
        welcome = ann.receive(type="welcome")
        assert (welcome["user"], welcome["motd"]) == ("ann", MOTD)


def test_functions_cannot_read_parameters(app):
    actions = {permission.action for permission in permissions(app)}
    assert NEEDED.action in actions
    assert not {action for action in actions if action.startswith("ssm:")}
