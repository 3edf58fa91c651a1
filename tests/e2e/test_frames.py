"""Frames that a client must not send: the connection closes with the right code, and others chat on."""

import chat
import pytest
from websockets.exceptions import ConnectionClosed

FRAME_LIMIT, MESSAGE_LIMIT = 32 * 1024, 128 * 1024


def close_code(client):
    with pytest.raises(ConnectionClosed) as closed:
        while True:
            client.socket.recv(timeout=chat.PATIENCE)
    return closed.value.rcvd.code if closed.value.rcvd else None


@pytest.fixture
def undisturbed(join):
    """A client that must still be able to chat after the test."""
    witness = join("witness")
    yield
    witness.say(chat.unique("still here"))


def test_a_frame_above_32_kib_closes_with_1009(join, undisturbed):
    ann = join("ann")
    ann.socket.send("x" * (FRAME_LIMIT + 1))
    assert close_code(ann) == 1009


def test_a_message_above_128_kib_in_small_frames_closes_with_1009(join, undisturbed):
    ann = join("ann")
    pieces = ["x" * FRAME_LIMIT] * (MESSAGE_LIMIT // FRAME_LIMIT) + ["x"]
    try:
        ann.socket.send(pieces)
    except ConnectionClosed:
        # The server may close while the last piece is under way.
        pass
    assert close_code(ann) == 1009


def test_a_message_of_128_kib_in_small_frames_is_taken(join, undisturbed):
    ann = join("ann")
    text = '{"action":"echo","text":"' + "x" * (MESSAGE_LIMIT - 27) + '"}'
    assert len(text) == MESSAGE_LIMIT
    ann.socket.send([text[start : start + FRAME_LIMIT] for start in range(0, MESSAGE_LIMIT, FRAME_LIMIT)])
    assert ann.receive(action="echo")["text"] == "x" * (MESSAGE_LIMIT - 27)


def test_a_binary_frame_closes_with_1003(join, undisturbed):
    ann = join("ann")
    ann.socket.send(b'{"action":"echo"}')
    assert close_code(ann) == 1003


def test_text_that_is_not_utf_8_closes_with_1007(join, undisturbed):
    ann = join("ann")
    ann.socket.send(b'{"action":"\xff"}', text=True)
    assert close_code(ann) == 1007


def test_a_ping_is_answered(join, undisturbed):
    ann = join("ann")
    assert ann.socket.ping().wait(chat.PATIENCE)
