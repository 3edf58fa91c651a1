"""Acknowledged messages survive the end of the process, if the store is a folder."""

import contextlib
import os
import signal
import threading
from collections import Counter

import chat
import pytest
import server
from websockets.exceptions import ConnectionClosed, InvalidMessage

# History returns at most 100 messages, so the chat ends before that.
MESSAGES, INTERRUPT_AFTER = 90, 20
LONG = os.environ.get("TIDEGATE_SOAK") == "long"
PHASES = ("connect", "join", "chat", "leave", "disconnect")


class Sender:
    """Sends one message after the other until the connection ends, and keeps the acknowledged ones."""

    def __init__(self, client, room):
        self.client, self.room = client, room
        self.acknowledged = []
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            for number in range(MESSAGES):
                message = self.client.say(chat.unique(f"message {number}"), self.room)
                with self.changed:
                    self.acknowledged.append(message["text"])
                    self.changed.notify_all()
        except ConnectionClosed:
            pass

    def wait_for(self, count):
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.acknowledged) >= count, chat.TIMEOUT)


# The store is in this process whatever the backend, so the kill is tested once.
@pytest.mark.parametrize(
    ("backend", "number"),
    [*((backend, signal.SIGTERM) for backend in server.BACKENDS), (server.IN_PROCESS, signal.SIGKILL)],
    indirect=["backend"],
    ids=[*(f"{backend.name}-SIGTERM" for backend in server.BACKENDS), "in-process-kill -9"],
)
def test_acknowledged_messages_survive_a_restart(serve, token, tmp_path, number):
    room = chat.room("durable")
    first = serve("--data", tmp_path / "data")
    ann = chat.Client(first.url, token("ann"))
    ann.enter(room)
    sender = Sender(ann, room)
    sender.wait_for(INTERRUPT_AFTER)
    first.send_signal(number)
    first.wait()
    sender.thread.join(chat.TIMEOUT)
    assert not sender.thread.is_alive()
    ann.close()

    second = serve("--data", tmp_path / "data")
    with chat.Client(second.url, token("ann")) as again:
        kept = [message["text"] for message in again.history(room)]
        missing = [text for text in sender.acknowledged if text not in kept]
        assert missing == []
        again.enter(room)
        again.say(chat.unique("we go on"), room)


class Visitor:
    """Connects, joins, chats, leaves and disconnects, and keeps the acknowledged messages."""

    def __init__(self, url, token, room):
        self.url, self.token, self.room = url, token, room
        self.acknowledged, self.phase, self.changed = [], "", threading.Condition()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def begin(self, phase):
        with self.changed:
            self.phase = phase
            self.changed.notify_all()

    def run(self):
        with contextlib.suppress(ConnectionClosed, OSError, EOFError, InvalidMessage):
            while True:
                self.begin("connect")
                client = chat.Client(self.url, self.token)
                self.begin("join")
                client.enter(self.room)
                self.begin("chat")
                self.acknowledged.append(client.say(chat.unique("visit"), self.room)["text"])
                self.begin("leave")
                client.leave(self.room)
                self.begin("disconnect")
                client.close()

    def wait_for(self, phase):
        """Waits for the beginning of a phase, after at least one message."""
        with self.changed:
            reached = lambda: self.acknowledged and self.phase == phase  # noqa: E731
            assert self.changed.wait_for(reached, chat.TIMEOUT), phase


@pytest.mark.parametrize("backend", [server.IN_PROCESS], indirect=True, ids=["in-process"])
def test_kill_in_any_phase_loses_and_repeats_no_message(serve, token, tmp_path):
    room, acknowledged = chat.room("visits"), []
    # A phase takes about a millisecond, so the delays fall at its beginning, into it, and after it.
    for delay in (0, 0.0005, 0.001, 0.002, 0.004) if LONG else (0.0005,):
        for phase in PHASES if LONG else ("connect", "disconnect"):
            running = serve("--data", tmp_path / "data")
            visitor = Visitor(running.url, token("ann"), room)
            visitor.wait_for(phase)
            threading.Event().wait(delay)
            running.kill()
            visitor.thread.join(chat.TIMEOUT)
            assert not visitor.thread.is_alive()
            acknowledged += visitor.acknowledged
    with chat.Client(serve("--data", tmp_path / "data").url, token("ann")) as again:
        kept = Counter(message["text"] for message in again.history(room))
        # History returns the last 100 messages.
        assert [text for text in acknowledged[-50:] if kept[text] != 1] == []
        assert max(kept.values()) == 1
        # No connection of a killed process is left in the room.
        again.enter(room)
        again.say(chat.unique("we go on"), room)


def test_memory_option_stores_nothing(serve, token):
    room = chat.room("fleeting")
    first = serve("--memory")
    with chat.Client(first.url, token("ann")) as ann:
        ann.enter(room)
        ann.say(chat.unique("forget me"), room)
    first.stop()
    with chat.Client(serve("--memory").url, token("ann")) as again:
        assert again.history(room) == []
