"""kill -9 at every step of connect, chat, disconnect, publish and activate.

A step is a request to AWS. The proxy of `tests/faults` ends the process before or after AWS has applied the request.
`make soak` kills before and after each step, `make test` after those that write.
"""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import behind_proxy
import chat
import faults
import proxy as proxies
import pytest
from behind_proxy import LONG, Member, record
from releases import version
from waiting import wait_until
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus

TIMES = ["before", "after"] if LONG else ["after"]
# Longest part of a second for which no request may come, before a client's event counts as ended.
QUIET_SECONDS = 0.3


@pytest.fixture(scope="module")
def proxy(app):
    with proxies.running(app.emulator.port) as running, behind_proxy.redirected(app, running):
        yield running


@pytest.fixture(scope="module")
def room(app, token, proxy):
    with behind_proxy.room(app, token) as opened:
        yield opened


def kill_handlers():
    """Kills the processes of the handler."""
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if (
                b"TIDEGATE_FUNCTION=handler" in path.read_bytes()
                and (path.parent / "comm").read_text() == "bootstrap\n"
            ):
                os.kill(int(path.parent.name), signal.SIGKILL)


def steps(proxy, run):
    """Returns the requests that `run` causes, as the operation and its number among those of this operation."""
    wait_until_quiet(proxy)
    with proxy.recorded() as requests:
        run()
        wait_until_quiet(proxy)
    numbers = Counter()
    found = []
    for request in requests:
        found.append((request.operation, numbers[request.operation]))
        numbers[request.operation] += 1
    return found


def of_event(planned):
    """Returns the steps of an event. It reads the rollout state only when that is due, and asks for an opening socket
    as often as necessary.
    """
    return [
        (operation, number)
        for operation, number in planned
        if operation != "GetItem of releases" and (operation != "GetConnection" or number == 0)
    ]


def first_and_last(planned):
    """Returns the first and the last step of each operation. A command reads each artifact in the same way."""
    last = dict(planned)
    return [(operation, number) for operation, number in planned if number in (0, last[operation])]


def chosen(planned, quick):
    """Returns the steps at which processes are killed: all, or those of `quick` in `make test`."""
    assert {operation for operation, _ in planned} >= quick, planned
    return [step for step in planned if LONG or step[0] in quick]


def wait_until_quiet(proxy):
    """Waits until no request has come for a while."""
    seen, since = len(proxy.requests), time.monotonic()
    while time.monotonic() < since + QUIET_SECONDS:
        time.sleep(0.02)
        if len(proxy.requests) > seen:
            seen, since = len(proxy.requests), time.monotonic()


def kills(proxy, planned, end):
    """Yields each step and its fault, with the fault injected. Asserts that each step was reached."""
    for operation, number in planned:
        for at in TIMES:
            with proxy.injected(faults.kill(at, end), operation, skip=number) as rule:
                yield operation, number, at
            assert rule.hits == 1, f"{operation} {number} was not reached"


def test_killed_chat_loses_and_repeats_no_message(app, proxy, room):
    ann = room.members[0]
    planned = chosen(of_event(steps(proxy, room.settle)), {"PutItem", "PostToConnection"})
    for operation, number, at in kills(proxy, planned, kill_handlers):
        text = room.text("killed")
        error = ann.send(text)
        room.settle()
        stored, received = room.stored(text), room.received(text)
        assert stored == int(error is None) or error, (operation, number, at)
        assert stored <= 1 and max(received) <= stored, (operation, number, at, received)
        # What was applied before the kill stays.
        assert stored == 1 or (operation, at) in {("PutItem", "before"), ("GetItem", "before"), ("GetItem", "after")}
        fate = "stored once" if stored else "not stored"
        outcome = f"acknowledged, {fate}" if error is None else f"not acknowledged, {fate}"
        record(kind="kill", event="chat", step=operation, at=at, outcome=outcome)


def test_killed_connect_is_reaped(app, proxy, room, token):
    def open_and_close():
        with chat.Client(app.url, token("fay")) as client:
            client.receive(type="welcome")
            wait_until_quiet(proxy)

    planned = of_event(steps(proxy, open_and_close))
    connecting = planned[: planned.index(("PostToConnection", 0)) + 1]
    connecting = chosen(connecting, {"PutItem", "TransactWriteItems"})
    ann = room.members[0]
    for operation, _number, at in kills(proxy, connecting, kill_handlers):
        with contextlib.suppress(InvalidStatus, InvalidMessage), chat.Client(app.url, token("fay")) as client:
            wait_until_quiet(proxy)
            # The socket is open, and works in the next process.
            client.enter(room.name)
        wait_until_quiet(proxy)
        left = behind_proxy.rows(app, "fay")
        listed = behind_proxy.memberships(app) & left
        behind_proxy.age(app, left)
        ann.client.say(chat.unique("anybody?"))
        if listed == left:
            behind_proxy.wait_until_healed(app, left, "fay")
            outcome = "reaped by the next broadcast" if left else "no row is left"
        else:
            assert behind_proxy.rows(app, "fay") == left and not listed
            behind_proxy.delete(app, left)
            outcome = "a row in no group is left, until it expires"
        record(kind="kill", event="connect", step=operation, at=at, outcome=outcome)


def test_killed_disconnect_is_reaped(app, proxy, room, token):
    def opened():
        return Member(app.url, token("gus"), room.name)

    gus = opened()

    def leave():
        gus.client.close()
        wait_until(lambda: not behind_proxy.rows(app, "gus"))

    leaving = chosen(of_event(steps(proxy, leave)), {"DeleteItem"})
    for operation, _number, at in kills_with(proxy, leaving, opened):
        left = behind_proxy.rows(app, "gus")
        behind_proxy.age(app, left)
        room.members[0].client.say(chat.unique("anybody?"))
        room.settle()
        wait_until(lambda: not behind_proxy.rows(app, "gus"))
        members = {member.id for member in room.members}
        wait_until(lambda: behind_proxy.memberships(app, room.name) == members)  # noqa: B023
        record(kind="kill", event="disconnect", step=operation, at=at, outcome="reaped by the next broadcast")


def kills_with(proxy, planned, opened):
    """Opens a connection, and closes it while the process is killed at each step."""
    for operation, number in planned:
        for at in TIMES:
            member = opened()
            wait_until_quiet(proxy)
            with proxy.injected(faults.kill(at, kill_handlers), operation, skip=number) as rule:
                with contextlib.suppress(ConnectionClosed):
                    member.client.close()
                wait_until(lambda: rule.hits)
            yield operation, number, at


def start(user, tidegate, *arguments):
    """Starts a command of a user."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TIDEGATE_"))}
    return subprocess.Popen(
        [tidegate, *user.arguments(*arguments)],
        env=kept | user.credentials,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def killed_commands(proxy, user, tidegate, monkeypatch, prepare, quick, *arguments):
    """Runs a command that is killed at each of its requests, after `prepare`, whose result it yields too."""
    prepare()

    def run():
        process = start(user, tidegate, *arguments)
        output, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        json.loads(output)

    monkeypatch.setitem(user.credentials, "AWS_ENDPOINT_URL", proxy.endpoint)
    planned = chosen(first_and_last(steps(proxy, run)), quick)
    monkeypatch.undo()
    for operation, number in planned:
        for at in TIMES:
            prepared = prepare()
            monkeypatch.setitem(user.credentials, "AWS_ENDPOINT_URL", proxy.endpoint)
            process = start(user, tidegate, *arguments)
            with proxy.injected(faults.kill(at, process.kill), operation, skip=number) as rule:
                process.communicate(timeout=60)
            monkeypatch.undo()
            assert rule.hits == 1 and process.returncode == -signal.SIGKILL, (operation, number, at)
            yield operation, at, prepared


def test_killed_activation_moves_the_pointer_or_nothing(app, proxy, ids, operator, tidegate, monkeypatch):
    wanted = ids[version(1)]

    def prepare():
        if operator.active():
            operator.release("rollback")
        return operator.release("status")["pointer"]["generation"]

    arguments = ("activate", wanted, "--allow-new-grants")
    quick = {"TransactWriteItems"}
    operator.release(*arguments)
    for operation, at, before in killed_commands(proxy, operator, tidegate, monkeypatch, prepare, quick, *arguments):
        pointer = operator.release("status")["pointer"]
        moved = pointer.get("active") == wanted
        assert pointer["generation"] == before + moved
        changes = operator.release("history", "--limit", "1000")["changes"]
        assert [one["generation"] for one in changes] == list(range(before + moved, 0, -1))
        outcome = "moved, with its entry in the history" if moved else "not moved"
        record(kind="kill", event="activate", step=operation, at=at, outcome=outcome)
    prepare()


@pytest.mark.skipif(not LONG, reason="tests/e2e/test_release_crashes.py kills the command on a folder")
def test_killed_publication_is_complete_or_invisible(app, proxy, publisher, operator, tidegate, monkeypatch):
    numbers = iter(range(700, 1_000))

    def listed():
        return {one["id"] for one in operator.release("list")["releases"]}

    def prepare():
        publisher.set_version(version(next(numbers)))
        return listed()

    quick = {"HeadObject", "PutObject"}
    for operation, at, before in killed_commands(proxy, publisher, tidegate, monkeypatch, prepare, quick, "create"):
        new = listed() - before
        assert len(new) <= 1 and all(operator.release("show", release)["complete"] for release in new)
        again = publisher.release("create")["id"]
        assert new <= {again} and operator.release("show", again)["complete"]
        outcome = "visible and complete" if new else "invisible; the same command completes it"
        record(kind="kill", event="create", step=operation, at=at, outcome=outcome)
