"""Invalid frames close their connection with the right code, and other connections keep working."""

import chat
import pytest
from websockets.exceptions import ConnectionClosed

FRAME_LIMIT, MESSAGE_LIMIT = 32 * 1024, 128 * 1024


def close_code(client):
    with pytest.raises(ConnectionClosed) as closed:
        while True:
            client.socket.recv(timeout=chat.TIMEOUT)
    return closed.value.rcvd.code if closed.value.rcvd else None


@pytest.fixture
def witness(join):
    """A client that must still be able to chat after the test."""
    client = join("witness")
    yield
    client.say(chat.unique("still here"))


def test_frame_above_32_kib_closes_with_1009(join, witness):
    ann = join("ann")
    ann.socket.send("x" * (FRAME_LIMIT + 1))
    assert close_code(ann) == 1009


def test_message_above_128_kib_in_small_frames_closes_with_1009(join, witness):
    ann = join("ann")
    pieces = ["x" * FRAME_LIMIT] * (MESSAGE_LIMIT // FRAME_LIMIT) + ["x"]
    try:
        ann.socket.send(pieces)
    except ConnectionClosed:
        # The server may close the connection before it has the last piece.
        pass
    assert close_code(ann) == 1009


def test_message_of_128_kib_in_small_frames_is_accepted(join, witness):
    ann = join("ann")
    text = '{"action":"echo","text":"' + "x" * (MESSAGE_LIMIT - 27) + '"}'
    assert len(text) == MESSAGE_LIMIT
    ann.socket.send([text[start : start + FRAME_LIMIT] for start in range(0, MESSAGE_LIMIT, FRAME_LIMIT)])
    assert ann.receive(action="echo")["text"] == "x" * (MESSAGE_LIMIT - 27)


def test_binary_frame_closes_with_1003(join, witness):
    ann = join("ann")
    ann.socket.send(b'{"action":"echo"}')
    assert close_code(ann) == 1003


def test_text_that_is_not_utf_8_closes_with_1007(join, witness):
    ann = join("ann")
    ann.socket.send(b'{"action":"\xff"}', text=True)
    assert close_code(ann) == 1007


def test_ping_is_answered(join, witness):
    ann = join("ann")
    assert ann.socket.ping().wait(chat.TIMEOUT)
