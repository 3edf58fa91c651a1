"""Nothing that was acknowledged is lost: the chat's store is a folder, and the process ends in the middle of a chat."""

import signal
import threading

import chat
import pytest
from websockets.exceptions import ConnectionClosed

# History gives at most 100 messages; the chat is interrupted well before that.
MOST, INTERRUPT_AFTER = 90, 20


class Talk:
    """Says one thing after the other until the connection ends; keeps what was acknowledged."""

    def __init__(self, client, room):
        self.client, self.room = client, room
        self.acknowledged = []
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            for number in range(MOST):
                said = self.client.say(chat.unique(f"message {number}"), self.room)
                with self.changed:
                    self.acknowledged.append(said["text"])
                    self.changed.notify_all()
        except ConnectionClosed:
            pass

    def wait_for(self, count):
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.acknowledged) >= count, chat.PATIENCE)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "kill -9"])
def test_every_acknowledged_message_is_there_after_a_restart(serve, token, tmp_path, number):
    room = chat.room("durable")
    first = serve("--data", tmp_path / "data")
    ann = chat.Client(first.url, token("ann"))
    ann.enter(room)
    talk = Talk(ann, room)
    talk.wait_for(INTERRUPT_AFTER)
    first.send_signal(number)
    first.wait()
    talk.thread.join(chat.PATIENCE)
    assert not talk.thread.is_alive()
    ann.close()

    second = serve("--data", tmp_path / "data")
    with chat.Client(second.url, token("ann")) as again:
        kept = [message["text"] for message in again.history(room)]
        missing = [text for text in talk.acknowledged if text not in kept]
        assert missing == []
        again.enter(room)
        again.say(chat.unique("we go on"), room)


def test_memory_keeps_nothing(serve, token):
    room = chat.room("fleeting")
    first = serve("--memory")
    with chat.Client(first.url, token("ann")) as ann:
        ann.enter(room)
        ann.say(chat.unique("forget me"), room)
    first.stop()
    with chat.Client(serve("--memory").url, token("ann")) as again:
        assert again.history(room) == []
