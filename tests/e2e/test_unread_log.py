"""Standard error that nobody reads: the log is dropped and counted, and the server works on."""

import re
import signal
from pathlib import Path

import chat
import pytest

APP = Path(__file__).parent / "apps" / "hostile"
# Each event logs 64 KiB. Together they exceed the pipe and the queue of the log, which has 1 MiB.
EVENTS = 24
DROPPED = re.compile(r"tidegate: warning: dropped (\d+) lines \((\d+) bytes\), because nobody read standard error")


@pytest.fixture
def flooded(serve, guests):
    """A server whose guests have filled its standard error, which nobody reads."""
    running = serve("--memory", app=APP, errors_pipe=True)
    with chat.Client(running.url) as mallory:
        for _ in range(EVENTS):
            mallory.socket.send("chatter")
            # The reply, or an error frame if the guest missed its deadline.
            mallory.socket.recv(timeout=chat.TIMEOUT)
    yield running
    running.process.stderr.close()


def test_other_connections_are_served_and_a_signal_ends_the_server(flooded):
    with chat.Client(flooded.url) as ann:
        ann.say(chat.unique("is anybody there?"))
    flooded.send_signal(signal.SIGTERM)
    assert flooded.wait() == 0


def test_dropped_lines_are_counted_once_somebody_reads(flooded):
    lines = iter(flooded.process.stderr.readline, "")
    report = next(found for line in lines if (found := DROPPED.fullmatch(line.rstrip("\n"))))
    assert int(report[1]) > 0 and int(report[2]) > int(report[1])
    with chat.Client(flooded.url) as ann:
        ann.socket.send("lines after-the-report")
        assert next(line for line in lines if "first after-the-report" in line)
    flooded.send_signal(signal.SIGTERM)
    rest = list(lines)
    assert any("closing the sockets" in line for line in rest) and rest[-1].endswith("\n")
    assert flooded.wait() == 0
