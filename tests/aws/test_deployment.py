"""The synthesised stack, deployed: what its roles allow is enough, and each statement is needed."""

import json
import uuid
from collections.abc import Callable

import pytest
from client import greeted, open_client, receive, refused, wait_until
from deployment import Deployment, Template
from fixture_package import FINGERPRINT
from websockets.exceptions import WebSocketException

# What breaks without a statement: the action that is missed first, and the function that misses it.
NEEDED = {
    "Config": ("ssm:GetParameters", "authorizer"),
    "Connections": ("dynamodb:PutItem", "handler"),
    "Groups": ("dynamodb:PutItem", "handler"),
    "Callback": ("execute-api:ManageConnections", "handler"),
    "StorageReadWrite": ("dynamodb:PutItem", "handler"),
}


def test_a_greeting_arrives_and_chat_reaches_all(app):
    text = f"hi {uuid.uuid4()}"
    with greeted(app) as one, greeted(app) as two:
        one.send(json.dumps({"action": "chat", "text": text}))
        got = [receive(one), receive(one)]
        assert {"type": "message", "text": text} in got
        assert {"type": "ack", "delivered": 2} in got
        assert receive(two) == {"type": "message", "text": text}
    assert text in [item["text"]["S"] for item in app.items("StorageTable")]


def test_an_unknown_action_goes_to_the_default_route(app):
    with greeted(app) as socket:
        socket.send("no json")
        assert receive(socket) == {"error": "no route for `no json`"}


def test_a_handshake_without_identity_is_401_and_a_denied_one_403(app):
    assert refused(app, {}) == 401
    assert refused(app, {"Authorization": "Bearer bad"}) == 403


def test_connections_and_memberships_go_with_their_socket(app):
    wait_until(lambda: not app.items("ConnectionsTable"))
    with greeted(app):
        (row,) = app.items("ConnectionsTable")
        (member,) = app.items("GroupsTable")
        assert member["connection_id"] == row["connection_id"]
    wait_until(lambda: not app.items("ConnectionsTable") and not app.items("GroupsTable"))


def test_the_stack_says_which_routing_it_has(app):
    name = "/tidegate-stack/chat/dev/routing-fingerprint"
    parameter = app.emulator.client("ssm").get_parameter(Name=name)["Parameter"]
    assert parameter["Value"] == app.outputs["Fingerprint"] == FINGERPRINT


def without(sid: str, app: str) -> Callable[[Template], None]:
    """Removes one statement from the role of one function."""

    def change(template: Template) -> None:
        role = template["Resources"][function(template, app)]["Properties"]["Role"]["Fn::GetAtt"][0]
        removed = 0
        for resource in template["Resources"].values():
            if resource["Type"] == "AWS::IAM::Policy" and {"Ref": role} in resource["Properties"]["Roles"]:
                statements = resource["Properties"]["PolicyDocument"]["Statement"]
                kept = [statement for statement in statements if statement.get("Sid") != sid]
                removed += len(statements) - len(kept)
                resource["Properties"]["PolicyDocument"]["Statement"] = kept
        assert removed == 1
        # Its name is that of the app and the stage, which the first deployment has.
        template["Resources"] = {
            name: resource
            for name, resource in template["Resources"].items()
            if resource["Type"] != "AWS::SSM::Parameter"
        }

    return change


def function(template: Template, serves: str) -> str:
    """The logical id of the handler or the authorizer."""
    (name,) = (
        name
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::Lambda::Function"
        and resource["Properties"]["Environment"]["Variables"]["TIDEGATE_FUNCTION"] == serves
    )
    return name


@pytest.mark.parametrize("sid", NEEDED)
def test_no_statement_is_more_than_what_is_needed(deployed_app, package, sid):
    action, serves = NEEDED[sid]
    app = deployed_app(package, without(sid, serves))
    try:
        with open_client(app) as socket:
            socket.send(json.dumps({"action": "chat", "text": "hi"}))
            wait_until(lambda: missed(app, serves, action))
    except WebSocketException:
        wait_until(lambda: missed(app, serves, action))


def missed(app: Deployment, serves: str, action: str) -> bool:
    """Whether a function was refused an action, by its own log or by MiniStack's where it never started."""
    name = function(app.template, serves)
    lines = [line for line in app.emulator.log.read_text().splitlines() if app.resources[name] in line]
    return any(f"is not authorized to perform: {action}" in text for text in (app.logs(name), *lines))
