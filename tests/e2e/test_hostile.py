"""Guests that trap, loop or exhaust memory: their client gets an error frame, and other clients keep working."""

from pathlib import Path

import chat
import pytest

APP = Path(__file__).parent / "apps" / "hostile"
BEHAVIOURS = ["trap", "panicking", "overflow", "spin", "memory", "handles", "host_calls", "exit 0"]
# Clients for each behaviour: enough to occupy every core at once.
LOOPS, LINES = 4, 20


@pytest.fixture
def hostile(serve, guests):
    return serve("--memory", app=APP)


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_client_gets_an_error_frame_and_its_connection_stays_open(hostile, behaviour):
    with chat.Client(hostile.url) as mallory:
        mallory.receive(type="welcome")
        mallory.socket.send(behaviour)
        assert mallory.receive_error() == "Internal server error"
        mallory.socket.send('"echo, after that"')
        mallory.say(chat.unique("and I can still chat"))


def test_other_clients_are_not_disturbed(hostile):
    with chat.Client(hostile.url) as ann, chat.Client(hostile.url) as bob:
        attackers = [chat.Client(hostile.url) for _ in range(LOOPS * len(BEHAVIOURS))]
        try:
            for attacker, behaviour in zip(attackers, BEHAVIOURS * LOOPS, strict=True):
                attacker.socket.send(behaviour)
            for number in range(LINES):
                message = ann.say(chat.unique(f"line {number}"))
                assert bob.receive(type="message", text=message["text"]) == message
            for attacker in attackers:
                assert attacker.receive_error() == "Internal server error"
        finally:
            for attacker in attackers:
                attacker.close()
    assert hostile.process.poll() is None


def test_trap_log_has_a_backtrace_with_function_names(hostile):
    with chat.Client(hostile.url) as mallory:
        mallory.socket.send("trap")
        mallory.receive_error()
    hostile.stop()
    assert "inner_function_of_the_trap" in hostile.errors
