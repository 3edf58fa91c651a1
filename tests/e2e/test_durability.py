"""Acknowledged messages survive the end of the process, if the store is a folder."""

import signal
import threading

import chat
import pytest
import server
from websockets.exceptions import ConnectionClosed

# History returns at most 100 messages, so the chat ends before that.
MESSAGES, INTERRUPT_AFTER = 90, 20


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


def test_memory_option_stores_nothing(serve, token):
    room = chat.room("fleeting")
    first = serve("--memory")
    with chat.Client(first.url, token("ann")) as ann:
        ann.enter(room)
        ann.say(chat.unique("forget me"), room)
    first.stop()
    with chat.Client(serve("--memory").url, token("ann")) as again:
        assert again.history(room) == []
