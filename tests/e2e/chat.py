"""A client of the chat application's protocol."""

from __future__ import annotations

import json
import time
import uuid
from contextlib import ExitStack
from typing import Any

from websockets.sync.client import ClientConnection, connect

# Seconds: enough for a loaded machine. Every wait ends as soon as its condition is true.
TIMEOUT = 20


class Client:
    """One connection. The token goes into the header `Authorization`; `handshake` has other options."""

    def __init__(self, url: str, token: str | None = None, **handshake: Any) -> None:
        if token is not None:
            handshake.setdefault("additional_headers", {"Authorization": f"Bearer {token}"})
        self.closing = ExitStack()
        # With a limited queue, a client with unread messages could not read the reply to its close frame.
        opening = connect(
            url, open_timeout=TIMEOUT, close_timeout=TIMEOUT, compression=None, max_queue=None, **handshake
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
        """Returns the next message that has all the `wanted` members, and skips others."""
        deadline = time.monotonic() + TIMEOUT
        while True:
            message = json.loads(self.socket.recv(timeout=max(0.0, deadline - time.monotonic())))
            if all(message.get(name) == value for name, value in wanted.items()):
                return message

    def say(self, text: str, room: str = "lobby") -> dict[str, Any]:
        """Sends a chat message and waits for its own copy. The message is stored when the copy arrives."""
        self.send({"action": "chat", "room": room, "text": text})
        return self.receive(type="message", room=room, text=text)

    def receive_error(self) -> str:
        """Returns the text of the next error frame. Error frames have a `message` and no `type`."""
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
        """Returns the last messages of a room, oldest first."""
        self.send({"action": "history", "room": room, "limit": limit})
        return self.receive(type="history", room=room)["messages"]


def room(name: str) -> str:
    """Returns a name for a room that no other test uses."""
    return f"{name}-{uuid.uuid4().hex[:8]}"


def unique(name: str) -> str:
    """Returns a text that no other test sends."""
    return f"{name} {uuid.uuid4()}"
