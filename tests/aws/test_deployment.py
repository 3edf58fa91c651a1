"""The tables of the deployed chat, and the responses of its functions to Lambda."""

import json
import time
import zipfile
from pathlib import Path

import chat
import pytest
from conftest import MOTD
from deployment import Deployment
from waiting import wait_until

FIXTURES = Path(__file__).resolve().parents[2] / "host" / "event" / "tests" / "fixtures"
# Age in seconds above which a connection is reaped if a post reports that it is gone.
YOUNG_SECONDS = 60


def test_greeting_has_the_deployed_configuration(join):
    assert join("ann").receive(type="welcome")["motd"] == MOTD


def test_connection_and_membership_rows_end_with_their_socket(app, join):
    ann, room = join("ann"), chat.room("kept")
    connection = ann.receive(type="welcome")["connection"]
    ann.enter(room)
    assert connection in ids(app, "ConnectionsTable")
    groups = {item["group"]["S"] for item in app.items("GroupsTable") if item["connection_id"]["S"] == connection}
    assert groups == {"lobby#0", f"room-{room}#0"}
    ann.close()
    wait_until(lambda: connection not in ids(app, "ConnectionsTable") | ids(app, "GroupsTable"))


def test_message_is_stored(app, join):
    ann, text = join("ann"), chat.unique("stored")
    ann.say(text)
    assert text in [item["text"]["S"] for item in app.items("StorageTable")]


def test_stale_connections_are_reaped_and_fresh_ones_are_not(app, join):
    ann, room = join("ann"), chat.room("stale")
    ann.enter(room)
    register(app, "stale", room, age=2 * YOUNG_SECONDS)
    # A post to a connection whose handshake has not ended fails like a post to a connection that is gone.
    register(app, "fresh", room, age=0)
    # Reaping follows the message.
    ann.say(chat.unique("anybody?"), room)
    wait_until(lambda: "stale" not in ids(app, "ConnectionsTable") | ids(app, "GroupsTable"))
    ann.say(chat.unique("still there?"), room)
    ann.history(room)
    assert "fresh" in ids(app, "ConnectionsTable") & ids(app, "GroupsTable")


def test_stack_stores_its_routing_fingerprint(app, package):
    with zipfile.ZipFile(package) as archive:
        fingerprint = archive.read("routing-fingerprint").decode().strip()
    name = "/tidegate-stack/chat/dev/routing-fingerprint"
    parameter = app.emulator.client("ssm").get_parameter(Name=name)["Parameter"]
    assert parameter["Value"] == app.outputs["Fingerprint"] == fingerprint


def test_handshake_without_a_token_is_the_unauthorized_function_error(app):
    event = json.loads((FIXTURES / "authorizer.json").read_text())
    nowhere = ("headers", "multiValueHeaders", "queryStringParameters", "multiValueQueryStringParameters")
    event |= {place: {} for place in nowhere}
    answer = app.emulator.client("lambda").invoke(
        FunctionName=app.resources[app.function("authorizer")], Payload=json.dumps(event)
    )
    assert answer["FunctionError"]
    # API Gateway maps exactly this message to 401.
    assert json.loads(answer["Payload"].read())["errorMessage"] == "Unauthorized"


@pytest.mark.parametrize("event", [{}, {"Records": [{"eventSource": "aws:sqs"}]}], ids=["empty", "another service's"])
def test_unknown_event_is_a_function_error_and_the_next_event_works(app, join, event):
    answer = app.emulator.client("lambda").invoke(
        FunctionName=app.resources[app.function("handler")], Payload=json.dumps(event)
    )
    assert answer["FunctionError"]
    assert json.loads(answer["Payload"].read())["errorType"] == "Tidegate.InvalidEvent"
    join("ann").say(chat.unique("still here"))


def ids(app: Deployment, table: str) -> set[str]:
    """Returns the connection ids in a table."""
    return {item["connection_id"]["S"] for item in app.items(table)}


def register(app: Deployment, connection: str, room: str, *, age: int) -> None:
    """Writes the rows of a connection without a socket."""
    now = int(time.time())
    group = f"room-{room}"
    dynamodb = app.emulator.client("dynamodb")
    end = {"N": str(now + 3_600)}
    row = {
        "connection_id": {"S": connection},
        "connected_at": {"N": str((now - age) * 1_000)},
        "source_ip": {"S": "192.0.2.7"},
        "domain_name": {"S": "example.com"},
        "stage": {"S": app.stage},
        "context": {"L": []},
        "attributes": {"M": {}},
        "groups": {"SS": [group]},
        "expires_at": end,
    }
    member = {"group": {"S": f"{group}#0"}, "connection_id": {"S": connection}, "expires_at": end}
    dynamodb.put_item(TableName=app.outputs["ConnectionsTable"], Item=row)
    dynamodb.put_item(TableName=app.outputs["GroupsTable"], Item=member)
