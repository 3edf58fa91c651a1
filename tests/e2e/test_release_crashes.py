"""A folder of releases stays consistent when commands are killed, run at the same time, or meet a full disk."""

import contextlib
import fcntl
import os
import random
import subprocess
from pathlib import Path

import pytest
import server
from errors import assert_error, error_of
from releases import version
from waiting import wait_until

ONE, TWO, THREE, FOUR = map(version, range(1, 5))
KILLS = 25
# Longer than the commands take on an idle machine, so that some of them complete.
CREATE_SECONDS, ACTIVATE_SECONDS = 0.5, 0.04


def start(tidegate, app, command, *arguments):
    return subprocess.Popen(
        [tidegate, *app.arguments(command, *arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, env=server.environment(),
    )


def finish(process):
    """Waits for the exit of a command."""
    output, errors = process.communicate(timeout=60)
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def kill_after(process, seconds):
    """Kills a command after some seconds. Returns true if it had completed before."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    process.kill()
    done = finish(process)
    assert done.returncode in (0, -9), done.stderr
    return done.returncode == 0


def check_store(app):
    """Asserts that the pointer, the history and every listed release are consistent, and returns the pointer."""
    pointer = app.release("status")["pointer"]
    changes = app.release("history", "--limit", "1000")["changes"]
    assert [one["generation"] for one in changes] == list(range(pointer["generation"], 0, -1))
    assert changes == [] or changes[0].get("to") == pointer.get("active")
    for listed in app.release("list")["releases"]:
        shown = app.release("show", listed["id"])
        assert shown["complete"] and shown["trusted"], shown["problems"]
    return pointer


def test_killed_create_publishes_all_or_nothing(tidegate, app, ids):
    ended = []
    for number in range(KILLS):
        app.set_version(version(100 + number))
        ended.append(kill_after(start(tidegate, app, "create"), random.uniform(0, CREATE_SECONDS)))
        assert len(app.release("list")["releases"]) >= len(ids) + sum(ended)
    check_store(app)
    created = app.release("create")["id"]
    app.release("activate", created)
    assert check_store(app)["active"] == created


def test_killed_activate_changes_the_pointer_or_nothing(tidegate, app, ids):
    app.release("activate", ids[ONE])
    before = check_store(app)
    for number in range(KILLS):
        wanted = ids[TWO] if before["active"] == ids[ONE] else ids[ONE]
        ended = kill_after(start(tidegate, app, "activate", wanted), random.uniform(0, ACTIVATE_SECONDS))
        after = check_store(app)
        moved = after == {"generation": before["generation"] + 1, "active": wanted}
        assert moved or (after == before and not ended), number
        before = after
    app.release("activate", ids[THREE])
    assert check_store(app)["active"] == ids[THREE]


def test_killed_prune_is_completed_by_the_next(tidegate, app, ids):
    rules = ["--keep", "1", "--min-age", "0s"]
    app.release("activate", ids[ONE])
    gone = set(ids.values()) - {ids[ONE]}
    for _ in range(KILLS):
        kill_after(start(tidegate, app, "prune", *rules), random.uniform(0, ACTIVATE_SECONDS))
        assert app.active() == ids[ONE]
        # A release that is being removed cannot be activated.
        if pruning := app.release("status")["pointer"].get("pruning"):
            assert set(pruning) <= gone
            left = {one["id"] for one in app.release("list")["releases"]} & set(pruning)
            for release in left:
                app.refuse("release-pruned", "activate", release)
    app.release("prune", *rules)
    assert [one["id"] for one in app.release("list")["releases"]] == [ids[ONE]]
    assert {path.stem for path in (app.store / "artifacts").glob("*.cwasm")} == app.artifacts(ids[ONE])
    assert "pruning" not in check_store(app)
    assert app.create(TWO) == ids[TWO]
    app.release("activate", ids[TWO])


def test_one_of_two_concurrent_activations_is_refused(tidegate, app, ids):
    app.release("activate", ids[THREE])
    with (app.store / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        processes = [start(tidegate, app, "activate", ids[text]) for text in (ONE, TWO)]
        # Each has read the pointer, and waits for the lock.
        wait_until(lambda: all(has_open(process, app.store / "lock") for process in processes))
    (won, lost) = sorted(map(finish, processes), key=lambda done: done.returncode)
    assert won.returncode == 0
    assert_error(lost, "rollout-conflict", hint="`tidegate release status`")
    pointer = check_store(app)
    assert pointer["generation"] == 2 and pointer["active"] in (ids[ONE], ids[TWO])


def has_open(process, path):
    with contextlib.suppress(FileNotFoundError):
        return any(file.readlink() == path for file in Path(f"/proc/{process.pid}/fd").iterdir())
    return False


def test_concurrent_activations_succeed_or_report_a_conflict(tidegate, app, ids):
    app.release("activate", ids[FOUR])
    generation = check_store(app)["generation"]
    for _ in range(10):
        processes = [start(tidegate, app, "activate", ids[text]) for text in (ONE, TWO, THREE) for _ in range(2)]
        commands = [finish(process) for process in processes]
        codes = [error_of(done).code for done in commands if done.returncode != 0]
        assert set(codes) <= {"rollout-conflict", "release-active"}, codes
        moves = len(commands) - len(codes)
        generation += moves
        assert moves >= 1 and check_store(app)["generation"] == generation


def test_concurrent_creates_of_the_same_release_publish_it_once(tidegate, app, ids):
    for number in range(5):
        app.set_version(version(200 + number))
        commands = [finish(process) for process in [start(tidegate, app, "create") for _ in range(3)]]
        assert [done.returncode for done in commands] == [0, 0, 0], commands
        assert len(app.release("list")["releases"]) == len(ids) + number + 1
    check_store(app)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MiB, and a function that enlarges it."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(*options):
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", *options, "tmpfs", folder], capture_output=True, text=True)
        return done.returncode == 0 or done.stderr

    if os.geteuid() != 0:
        pytest.skip("only root can mount a file system")
    if (mounted := mount("size=1m")) is not True:
        pytest.skip(f"cannot mount a file system: {mounted}")
    yield folder, lambda: mount("remount,size=64m")
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_full_disk_leaves_the_store_consistent(app, small_disk):
    folder, enlarge = small_disk
    app.store_arguments = ("--store", folder / "releases")
    created = app.create(ONE)
    app.release("activate", created)
    app.set_version(TWO)
    app.refuse("store-unavailable", "create", names=["No space left on device"], hint="disk space")
    assert [one["id"] for one in app.release("list")["releases"]] == [created]
    (folder / "ballast").write_bytes(bytes(os.statvfs(folder).f_bavail * os.statvfs(folder).f_bsize))
    app.refuse("rollout-outcome-unknown", "rollback", names=["No space left on device"])
    assert app.release("status")["pointer"] == {"generation": 1, "active": created}
    assert enlarge() is True
    other = app.release("create")["id"]
    app.release("activate", other)
    assert check_store(app) == {"generation": 2, "active": other}
