"""The host in the real bootstrap: its processes are started, frozen, replaced and ended as on Lambda."""

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
# Seconds that a short-lived token is valid, and the time limit of an event of the hostile app.
SHORT = 2


def behind(*backends):
    """Runs a test with these backends only."""
    return pytest.mark.parametrize("backend", backends, indirect=True, ids=lambda backend: backend.name)


on_lambda = behind(server.LAMBDA, server.FROZEN)
# Tests that kill processes run once: a busy process is not frozen, and an idle one is.
busy_kill = behind(server.LAMBDA)
frozen = idle_kill = behind(server.FROZEN)


def busy(running):
    """Returns the processes that are running on a CPU."""
    return [process for process, state in running.bootstraps().items() if state == "R"]


def kill(running, processes):
    """Kills processes and waits until they have ended, because they may receive an event until then."""
    for process in processes:
        os.kill(process, signal.SIGKILL)
    wait_until(lambda: all(has_ended(process) for process in processes))


def has_ended(process):
    """Returns true if a process and all its threads have ended."""
    try:
        threads = list(Path(f"/proc/{process}/task").iterdir())
        return len(threads) == 1 and ") Z " in (threads[0] / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


@on_lambda
def test_standard_output_names_the_bootstrap(serve, backend, tidegate):
    running = serve("--memory")
    running.wait_for_output("Try it")
    frozen = ", frozen between events" if backend == server.FROZEN else ""
    assert f"routes run in `{tidegate.with_name('bootstrap')}`{frozen}\n" in running.lines


@busy_kill
def test_process_killed_during_an_event_fails_that_event_alone(serve, guests):
    running = serve("--memory", app=HOSTILE)
    with chat.Client(running.url) as mallory, chat.Client(running.url) as ann:
        ann.receive(type="welcome")
        mallory.receive(type="welcome")
        mallory.socket.send("spin")
        kill(running, wait_until(lambda: busy(running)))
        assert mallory.receive_error() == "Internal server error"
        ann.say(chat.unique("still here"))
        mallory.say(chat.unique("and I can still chat"))
    running.stop()
    assert "Runtime exited with error: signal: killed" in running.errors


@idle_kill
def test_killed_idle_processes_are_replaced(serve, token):
    running = serve("--memory")
    with chat.Client(running.url, token("ann")) as ann:
        ann.receive(type="welcome")
        kill(running, running.bootstraps())
        for number in range(3):
            ann.say(chat.unique(f"line {number}"))
        with chat.Client(running.url, token("bob")) as bob:
            bob.receive(type="welcome")


@on_lambda
def test_process_that_does_not_start_refuses_the_connection(serve, guests, tmp_path):
    bootstrap = tmp_path / "bootstrap"
    bootstrap.write_text("#!/bin/sh\necho a log line of the bootstrap >&2\nexit 3\n")
    bootstrap.chmod(0o755)
    running = serve("--memory", "--bootstrap", bootstrap, app=HOSTILE)
    with pytest.raises(InvalidStatus) as refused:
        chat.Client(running.url)
    assert refused.value.response.status_code == 502
    running.stop()
    assert "`hostile-dev-handler` does not start: Error: Runtime exited with error: exit status 3" in running.errors
    assert "a log line of the bootstrap" in running.errors


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
def test_frozen_process_uses_the_current_time_after_it_thaws(serve, token, secret):
    running = serve("--memory")
    short_lived = tokens.make(secret, lives=SHORT)
    expires = time.time() + SHORT
    with chat.Client(running.url, short_lived) as ann:
        ann.say(chat.unique("before"))
        # Both functions have run, and stay frozen during this time.
        time.sleep(max(0.0, expires - time.time()))
        now = int(time.time() * 1_000)
        assert ann.say(chat.unique("after"))["at"] >= now
        with pytest.raises(InvalidStatus) as refused:
            chat.Client(running.url, short_lived)
        assert refused.value.response.status_code == 403
        with chat.Client(running.url, token("bob")) as bob:
            bob.receive(type="welcome")


@frozen
def test_frozen_time_does_not_count_against_the_next_event(serve, guests):
    running = serve("--memory", app=HOSTILE)
    with chat.Client(running.url) as mallory:
        mallory.receive(type="welcome")
        mallory.socket.send("clocks")
        assert mallory.socket.recv(timeout=chat.TIMEOUT) == "two clocks"
        # Wait for the route's time limit: the instance of its next event exists already.
        time.sleep(SHORT)
        mallory.socket.send("clocks")
        assert mallory.socket.recv(timeout=chat.TIMEOUT) == "two clocks"
        mallory.socket.send("sleep 500")
        assert mallory.socket.recv(timeout=chat.TIMEOUT) == "rested"


@idle_kill
def test_processes_end_with_a_killed_command(serve, token):
    running = serve("--memory")
    with chat.Client(running.url, token("ann")) as ann:
        ann.say(chat.unique("before the end"))
        assert len(running.bootstraps()) >= 2, "a process of each function"
        running.kill()
    wait_until(lambda: not running.has_orphans())


@busy_kill
def test_busy_process_ends_with_a_killed_command(serve, guests):
    running = serve("--memory", app=HOSTILE)
    with chat.Client(running.url) as mallory:
        mallory.receive(type="welcome")
        mallory.socket.send("spin")
        wait_until(lambda: busy(running))
        running.kill()
    wait_until(lambda: not running.has_orphans())


@behind(server.LAMBDA)
def test_missing_bootstrap_is_refused(serve, tmp_path):
    with pytest.raises(NotStarted) as failed:
        serve("--memory", "--bootstrap", tmp_path / "none")
    failed.value.assert_error("bootstrap-missing", f"`{tmp_path / 'none'}`", hint="`cargo build -p tidegate-lambda`")


@behind(server.IN_PROCESS)
@pytest.mark.parametrize("option", [["--freeze"], ["--bootstrap", "file"]], ids=lambda option: option[0])
def test_freeze_and_bootstrap_options_need_lambda(serve, option):
    with pytest.raises(NotStarted) as failed:
        serve("--memory", *option)
    assert failed.value.status == 2
    assert "--lambda" in failed.value.errors
