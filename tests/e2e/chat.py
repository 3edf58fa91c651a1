"""The chat application's protocol, as a client sees it."""

from __future__ import annotations

import json
import time
import uuid
from contextlib import ExitStack
from typing import Any

from websockets.sync.client import ClientConnection, connect

# Long enough for a loaded machine; every wait ends as soon as what it waits for is there.
PATIENCE = 20


class Client:
    """One connection, authorised by header unless `handshake` says otherwise."""

    def __init__(self, url: str, token: str | None = None, **handshake: Any) -> None:
        if token is not None:
            handshake.setdefault("additional_headers", {"Authorization": f"Bearer {token}"})
        self.closing = ExitStack()
        # Without `max_queue`, a client that does not read its messages cannot read the answer to its close either.
        opening = connect(
            url, open_timeout=PATIENCE, close_timeout=PATIENCE, compression=None, max_queue=None, **handshake
        )
        self.socket: ClientConnection = self.closing.enter_context(opening)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.closing.close()

    def send(self, message: dict[str, Any]) -> None:
        self.socket.send(json.dumps(message))

    def receive(self, **wanted: Any) -> dict[str, Any]:
        """The next message that has all the `wanted` members; others are passed over."""
        deadline = time.monotonic() + PATIENCE
        while True:
            message = json.loads(self.socket.recv(timeout=max(0.0, deadline - time.monotonic())))
            if all(message.get(name) == value for name, value in wanted.items()):
                return message

    def say(self, text: str, room: str = "lobby") -> dict[str, Any]:
        """Says something and waits for its own copy: the message is stored then."""
        self.send({"action": "chat", "room": room, "text": text})
        return self.receive(type="message", room=room, text=text)

    def receive_error(self) -> str:
        """The text of the next error frame, which has a `message` and no `type`."""
        while "type" in (message := self.receive()):
            pass
        return message["message"]

    def enter(self, room: str) -> None:
        self.send({"action": "join", "room": room})
        self.receive(type="joined", room=room)

    def leave(self, room: str) -> None:
        self.send({"action": "leave", "room": room})
        self.receive(type="left", room=room)

    def history(self, room: str = "lobby", limit: int = 100) -> list[dict[str, Any]]:
        """The last messages of a room, oldest first."""
        self.send({"action": "history", "room": room, "limit": limit})
        return self.receive(type="history", room=room)["messages"]


def room(name: str) -> str:
    """A room that no other test is in."""
    return f"{name}-{uuid.uuid4().hex[:8]}"


def unique(name: str) -> str:
    """A text that no other test sends."""
    return f"{name} {uuid.uuid4()}"
