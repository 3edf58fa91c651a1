"""Frames that break the protocol (RFC 6455), sent as raw bytes."""

import chat
import pytest
import rawsocket
from rawsocket import RawSocket

# Section 5.5 limits the payload of a control frame.
CONTROL_LIMIT, FRAME_LIMIT = 125, 32 * 1024


@pytest.fixture
def witness(join):
    """A client that must still be able to chat after the test."""
    client = join("witness")
    yield
    client.say(chat.unique("still here"))


@pytest.mark.parametrize("length", [CONTROL_LIMIT + 1, FRAME_LIMIT + 1])
def test_oversized_control_frame_closes_with_1002(chat_server, token, witness, length):
    with RawSocket(chat_server.url, token("ann")) as ann:
        ann.send(rawsocket.frame(rawsocket.PING, b"x" * length))
        assert ann.close_code() == 1002


def test_bytes_behind_a_close_frame_do_not_reset_the_connection(chat_server, token, witness):
    with RawSocket(chat_server.url, token("ann")) as ann:
        ann.send(rawsocket.frame(rawsocket.CLOSE, (1000).to_bytes(2)) + b"x" * 8_192)
        # A reset would raise an error here, and could discard the server's close frame.
        assert ann.close_code() == 1000
