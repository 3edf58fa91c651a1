"""The host in the real bootstrap: processes that Lambda would start, freeze, replace and end."""

import os
import signal
import time
from pathlib import Path

import chat
import pytest
import server
import tokens
from server import NotStarted
from waiting import wait_until
from websockets.exceptions import InvalidStatus

HOSTILE = Path(__file__).parent / "apps" / "hostile"
# Seconds: longer than a token lives here, and as long as an event of the hostile app may take.
SHORT = 2


def behind(*backends):
    """Runs a test with these backends alone."""
    return pytest.mark.parametrize("backend", backends, indirect=True, ids=lambda backend: backend.name)


on_lambda, frozen = behind(server.LAMBDA, server.FROZEN), behind(server.FROZEN)


def busy(running):
    """The processes that compute."""
    return [process for process, state in running.bootstraps().items() if state == "R"]


def kill(running, processes):
    """Kills processes, and waits until they have ended: until then, an event may still be given to them."""
    for process in processes:
        os.kill(process, signal.SIGKILL)
    wait_until(lambda: all(has_ended(process) for process in processes))


def has_ended(process):
    """Whether a process has ended, and each of its threads, which may take longer than the first."""
    try:
        threads = list(Path(f"/proc/{process}/task").iterdir())
        return len(threads) == 1 and ") Z " in (threads[0] / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


@on_lambda
def test_standard_output_says_how_the_routes_run(serve, backend, tidegate):
    running = serve("--memory")
    running.wait_for_output("Try it")
    frozen = ", frozen between events" if backend == server.FROZEN else ""
    assert f"routes run in `{tidegate.with_name('bootstrap')}`{frozen}\n" in running.lines


@on_lambda
def test_a_process_that_is_killed_under_an_event_fails_it_and_the_next_event_works(serve, guests):
    running = serve("--memory", app=HOSTILE)
    with chat.Client(running.url) as mallory, chat.Client(running.url) as ann:
        ann.receive(type="welcome")
        mallory.receive(type="welcome")
        mallory.socket.send("spin")
        kill(running, wait_until(lambda: busy(running)))
        assert mallory.receive_error() == "Internal server error"
        ann.say(chat.unique("undisturbed"))
        mallory.say(chat.unique("and I can still chat"))
    running.stop()
    assert "Runtime exited with error: signal: killed" in running.errors


@on_lambda
def test_processes_that_are_killed_while_idle_are_replaced_unseen(serve, token):
    running = serve("--memory")
    with chat.Client(running.url, token("ann")) as ann:
        ann.receive(type="welcome")
        kill(running, running.bootstraps())
        for number in range(3):
            ann.say(chat.unique(f"line {number}"))
        with chat.Client(running.url, token("bob")) as bob:
            bob.receive(type="welcome")


@on_lambda
def test_a_process_that_does_not_start_is_logged_and_refuses_the_connection(serve, guests, tmp_path):
    bootstrap = tmp_path / "bootstrap"
    bootstrap.write_text("#!/bin/sh\necho what it says >&2\nexit 3\n")
    bootstrap.chmod(0o755)
    running = serve("--memory", "--bootstrap", bootstrap, app=HOSTILE)
    with pytest.raises(InvalidStatus) as refused:
        chat.Client(running.url)
    assert refused.value.response.status_code == 502
    running.stop()
    assert "`hostile-dev-handler` does not start: Error: Runtime exited with error: exit status 3" in running.errors
    assert "what it says" in running.errors


@frozen
def test_processes_are_stopped_between_events(serve, token):
    running = serve("--memory")

    def all_stopped():
        states = set(running.bootstraps().values())
        return states == {"T"}

    with chat.Client(running.url, token("ann")) as ann:
        ann.receive(type="welcome")
        for number in range(3):
            wait_until(all_stopped)
            ann.say(chat.unique(f"line {number}"))
        wait_until(all_stopped)


@frozen
def test_a_frozen_process_wakes_up_to_the_right_time(serve, token, secret):
    running = serve("--memory")
    short_lived = tokens.make(secret, lives=SHORT)
    expires = time.time() + SHORT
    with chat.Client(running.url, short_lived) as ann:
        ann.say(chat.unique("before"))
        # Both functions have run, and stay frozen until then.
        time.sleep(max(0.0, expires - time.time()))
        now = int(time.time() * 1_000)
        assert ann.say(chat.unique("after"))["at"] >= now
        with pytest.raises(InvalidStatus) as refused:
            chat.Client(running.url, short_lived)
        assert refused.value.response.status_code == 403
        with chat.Client(running.url, token("bob")) as bob:
            bob.receive(type="welcome")


@frozen
def test_time_that_a_process_was_frozen_is_not_the_next_events(serve, guests):
    running = serve("--memory", app=HOSTILE)
    with chat.Client(running.url) as mallory:
        mallory.receive(type="welcome")
        mallory.socket.send("clocks")
        assert mallory.socket.recv(timeout=chat.PATIENCE) == "two clocks"
        # As long as the route may take: the instance of its next event was made before.
        time.sleep(SHORT)
        mallory.socket.send("clocks")
        assert mallory.socket.recv(timeout=chat.PATIENCE) == "two clocks"
        mallory.socket.send("sleep 500")
        assert mallory.socket.recv(timeout=chat.PATIENCE) == "rested"


@on_lambda
def test_nothing_outlives_a_command_that_is_killed(serve, token):
    running = serve("--memory")
    with chat.Client(running.url, token("ann")) as ann:
        ann.say(chat.unique("before the end"))
        assert len(running.bootstraps()) >= 2, "a process of each function"
        running.kill()
    wait_until(lambda: not running.has_orphans())


@on_lambda
def test_not_even_a_process_that_has_an_event(serve, guests):
    running = serve("--memory", app=HOSTILE)
    with chat.Client(running.url) as mallory:
        mallory.receive(type="welcome")
        mallory.socket.send("spin")
        wait_until(lambda: busy(running))
        running.kill()
    wait_until(lambda: not running.has_orphans())


@behind(server.LAMBDA)
def test_a_bootstrap_that_is_not_there_is_named(serve, tmp_path):
    with pytest.raises(NotStarted) as failed:
        serve("--memory", "--bootstrap", tmp_path / "none")
    assert f"cannot find the bootstrap `{tmp_path / 'none'}`" in failed.value.errors
    assert "hint: build it with `cargo build -p tidegate-lambda`" in failed.value.errors


@behind(server.IN_PROCESS)
@pytest.mark.parametrize("option", [["--freeze"], ["--bootstrap", "file"]], ids=lambda option: option[0])
def test_options_of_a_function_need_one(serve, option):
    with pytest.raises(NotStarted) as failed:
        serve("--memory", *option)
    assert failed.value.status == 2
    assert "--lambda" in failed.value.errors
