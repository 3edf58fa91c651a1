"""The deployed chat behind the proxy of `tests/faults`, and a room in which every message is accounted for."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import chat
from deployment import Deployment
from proxy import Proxy
from waiting import wait_until

# True in `make soak`: every fault at every operation.
LONG = os.environ.get("TIDEGATE_SOAK") == "long"
# Age of a connection above which it is reaped, in milliseconds.
REAP_AGE = 60_000


@contextlib.contextmanager
def redirected(app: Deployment, proxy: Proxy) -> Iterator[None]:
    """Sends the requests of the handler through the proxy within the block."""
    function = app.resources[app.function("handler")]
    client = app.emulator.client("lambda")
    before = client.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
    changed = before | {
        "AWS_ENDPOINT_URL_DYNAMODB": proxy.endpoint,
        "AWS_ENDPOINT_URL_S3": proxy.endpoint,
        "API_GATEWAY_URL": before["API_GATEWAY_URL"].replace(app.emulator.endpoint, proxy.endpoint),
    }
    client.update_function_configuration(FunctionName=function, Environment={"Variables": changed})
    # Events of the old processes end with them.
    wait_until(lambda: b"Tidegate.InvalidEvent" in client.invoke(FunctionName=function, Payload="{}")["Payload"].read())
    try:
        yield
    finally:
        client.update_function_configuration(FunctionName=function, Environment={"Variables": before})


class Member:
    """A client who keeps count of the messages that it receives."""

    def __init__(self, url: str, token: str, room: str) -> None:
        self.client, self.room = chat.Client(url, token), room
        self.id = self.client.receive(type="welcome")["connection"]
        self.client.enter(room)
        self.received: Counter[str] = Counter()

    def send(self, text: str) -> str | None:
        """Sends a message. Returns None when its copy arrives, or the text of its error."""
        self.client.send({"action": "chat", "room": self.room, "text": text})
        while "type" in (frame := self.client.receive()):
            self.count(frame)
            if frame.get("text") == text:
                return None
        return frame.get("message") or json.dumps(frame)

    def read_until(self, text: str) -> None:
        """Reads and counts messages up to one with this text."""
        while not self.received[text]:
            self.count(self.client.receive())

    def count(self, frame: dict) -> None:
        """Counts a frame of the chat that has a message."""
        if frame.get("type") == "message":
            self.received[frame["text"]] += 1


@dataclass
class Room:
    """A room with members."""

    app: Deployment
    name: str
    members: list[Member]
    texts: list[str] = field(default_factory=list)

    def text(self, name: str) -> str:
        """Returns a text that is sent once."""
        self.texts.append(chat.unique(name))
        return self.texts[-1]

    def settle(self) -> None:
        """Sends a message without a fault. When every member has it, they have all messages before it."""
        first = self.members[0]
        # The error frame of an event before it may come first.
        text = next(text for text in (self.text("settled") for _ in range(3)) if first.send(text) is None)
        for member in self.members:
            member.read_until(text)

    def stored(self, text: str) -> int:
        """Returns the number of stored messages with this text."""
        return sum(item["text"]["S"] == text for item in self.app.items("StorageTable"))

    def received(self, text: str) -> list[int]:
        """Returns how often each member has received a text."""
        return [member.received[text] for member in self.members]


@contextlib.contextmanager
def room(app: Deployment, token, people: tuple[str, ...] = ("ann", "bob", "cem")) -> Iterator[Room]:
    """Opens a room with these members."""
    with contextlib.ExitStack() as opened:
        name = chat.room("faults")
        members = [Member(app.url, token(person), name) for person in people]
        for member in members:
            opened.callback(member.client.close)
        yield Room(app, name, members)


def rows(app: Deployment, person: str) -> set[str]:
    """Returns the ids of the registered connections of a person."""
    table = app.items("ConnectionsTable")
    return {item["connection_id"]["S"] for item in table if item.get("principal", {}).get("S") == person}


def memberships(app: Deployment, room: str = "") -> set[str]:
    """Returns the ids of the connections in any group, or in those whose name contains `room`."""
    return {item["connection_id"]["S"] for item in app.items("GroupsTable") if room in item["group"]["S"]}


def age(app: Deployment, connections: set[str]) -> None:
    """Makes connections old enough to be reaped."""
    for connection in connections:
        app.emulator.client("dynamodb").update_item(
            TableName=app.outputs["ConnectionsTable"],
            Key={"connection_id": {"S": connection}},
            UpdateExpression="SET connected_at = :then",
            ConditionExpression="attribute_exists(connection_id)",
            ExpressionAttributeValues={":then": {"N": str(int(time.time() * 1_000) - 2 * REAP_AGE)}},
        )


def delete(app: Deployment, connections: set[str]) -> None:
    """Deletes the rows of connections, as DynamoDB does when they expire."""
    for connection in connections:
        key = {"connection_id": {"S": connection}}
        app.emulator.client("dynamodb").delete_item(TableName=app.outputs["ConnectionsTable"], Key=key)


def wait_until_healed(app: Deployment, connections: set[str], person: str) -> None:
    """Waits until no row of these connections, and no row of this person, is left."""
    wait_until(lambda: not rows(app, person) and not memberships(app) & connections)


def record(**figures: object) -> None:
    """Appends a line to the file that `TIDEGATE_RECORD` names."""
    if path := os.environ.get("TIDEGATE_RECORD"):
        with Path(path).open("a") as lines:
            lines.write(json.dumps(figures) + "\n")
