"""A third-party client: npm's `wscat`."""

import json
import subprocess
import threading

import chat


class Wscat:
    """A running `wscat`, whose output is read line by line."""

    def __init__(self, command, url, *arguments):
        self.process = subprocess.Popen(
            [*command, "--no-color", "--connect", url, *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        self.lines = []
        self.changed = threading.Condition()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        with self.process.stdout as output:
            for line in output:
                with self.changed:
                    self.lines.append(line)
                    self.changed.notify_all()

    def send(self, message):
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def wait_for(self, text):
        with self.changed:
            found = self.changed.wait_for(lambda: text in "".join(self.lines), chat.TIMEOUT)
            assert found, f"no `{text}` in {self.lines}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.reader.join(chat.TIMEOUT)


def test_wscat_receives_the_greeting_and_chats(chat_server, wscat, token, join):
    ann = join("ann")
    with Wscat(wscat, chat_server.url, "--header", f"Authorization: Bearer {token('carl')}") as carl:
        carl.wait_for('"type":"welcome"')
        message = ann.say(chat.unique("hello carl"))
        carl.wait_for(message["text"])
        answer = chat.unique("hello ann")
        carl.send({"action": "chat", "room": "lobby", "text": answer})
        assert ann.receive(type="message", text=answer)["from"] == "carl"
        carl.send({"action": "history", "room": "lobby"})
        carl.wait_for('"type":"history"')


def test_wscat_is_refused_without_a_token(chat_server, wscat):
    with Wscat(wscat, chat_server.url) as nobody:
        nobody.wait_for("401")
