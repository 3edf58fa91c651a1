"""A client of the stand-in's chat."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator

import pytest
from deployment import Deployment
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

# Every wait ends as soon as what it waits for is there.
PATIENCE = 20
GOOD = {"Authorization": "Bearer good"}


def open_client(app: Deployment, headers: dict | None = None) -> connect:
    """A client, to be entered; authorised unless `headers` say otherwise."""
    return connect(
        app.url,
        additional_headers=GOOD if headers is None else headers,
        open_timeout=PATIENCE,
        close_timeout=PATIENCE,
        compression=None,
    )


def receive(socket: ClientConnection) -> dict:
    """The next message."""
    return json.loads(socket.recv(timeout=PATIENCE))


def refused(app: Deployment, headers: dict) -> int:
    """The status of a handshake that fails."""
    with pytest.raises(InvalidStatus) as error, open_client(app, headers):
        pass
    return error.value.response.status_code


def wait_until(holds: Callable[[], bool]) -> None:
    """Waits for what happens after a socket has closed, which nothing announces."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "it did not come to be"
        time.sleep(0.02)


@contextlib.contextmanager
def greeted(app: Deployment, greeting: str = "hello") -> Iterator[ClientConnection]:
    """A client that has been greeted."""
    with open_client(app) as socket:
        assert receive(socket) == {"type": greeting, "principal": "somebody"}
        yield socket
