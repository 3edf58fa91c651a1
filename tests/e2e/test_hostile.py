"""Guests that trap, loop or eat memory: their own client is told, the others chat on."""

from pathlib import Path

import chat
import pytest

APP = Path(__file__).parent / "apps" / "hostile"
BEHAVIOURS = ["trap", "panicking", "overflow", "spin", "memory", "handles", "host_calls", "exit 0"]
# Enough to occupy every core at once.
LOOPS, LINES = 4, 20


@pytest.fixture
def hostile(serve, guests):
    return serve("--memory", app=APP)


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_the_client_is_told_and_its_connection_stays(hostile, behaviour):
    with chat.Client(hostile.url) as mallory:
        mallory.receive(type="welcome")
        mallory.socket.send(behaviour)
        assert mallory.receive_error() == "Internal server error"
        mallory.socket.send('"echo, after that"')
        mallory.say(chat.unique("and I can still chat"))


def test_others_chat_on_undisturbed(hostile):
    with chat.Client(hostile.url) as ann, chat.Client(hostile.url) as bob:
        attackers = [chat.Client(hostile.url) for _ in range(LOOPS * len(BEHAVIOURS))]
        try:
            for attacker, behaviour in zip(attackers, BEHAVIOURS * LOOPS, strict=True):
                attacker.socket.send(behaviour)
            for number in range(LINES):
                said = ann.say(chat.unique(f"line {number}"))
                assert bob.receive(type="message", text=said["text"]) == said
            for attacker in attackers:
                assert attacker.receive_error() == "Internal server error"
        finally:
            for attacker in attackers:
                attacker.close()
    assert hostile.process.poll() is None


def test_a_trap_is_logged_with_the_names_of_its_functions(hostile):
    with chat.Client(hostile.url) as mallory:
        mallory.socket.send("trap")
        mallory.receive_error()
    hostile.stop()
    assert "inner_function_of_the_trap" in hostile.errors
