"""Releases in a folder, whatever becomes of the commands that write them: killed, two at once, on a full disk."""

import contextlib
import fcntl
import os
import random
import subprocess
from pathlib import Path

import pytest
import server
from releases import version
from waiting import wait_until

ONE, TWO, THREE, FOUR = map(version, range(1, 5))
KILLS = 25
# Longer than the commands take on a quiet machine, so that some of them get to their end.
CREATE_SECONDS, ACTIVATE_SECONDS = 0.5, 0.04


def start(tidegate, app, command, *arguments):
    return subprocess.Popen(
        [tidegate, *app.line(command, *arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True, env=server.environment(),
    )


def finish(process):
    """The status of a command and what it said, once it has ended."""
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors


def killed(process, seconds):
    """Kills a command after a time; whether it had ended before."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    process.kill()
    status, errors = finish(process)
    assert status in (0, -9), errors
    return status == 0


def holds(app):
    """What must be true whatever was broken off; answers the pointer."""
    pointer = app.do("status")["pointer"]
    changes = app.do("history", "--limit", "1000")["changes"]
    assert [one["generation"] for one in changes] == list(range(pointer["generation"], 0, -1))
    assert changes == [] or changes[0].get("to") == pointer.get("active")
    for listed in app.do("list")["releases"]:
        shown = app.do("show", listed["id"])
        assert shown["complete"] and shown["trusted"], shown["problems"]
    return pointer


def test_a_publication_that_is_killed_is_none_or_whole(tidegate, app, ids):
    ended = []
    for number in range(KILLS):
        app.build(version(100 + number))
        ended.append(killed(start(tidegate, app, "create"), random.uniform(0, CREATE_SECONDS)))
        assert len(app.do("list")["releases"]) >= len(ids) + sum(ended)
    holds(app)
    created = app.do("create")["id"]
    app.do("activate", created)
    assert holds(app)["active"] == created


def test_a_move_of_the_pointer_that_is_killed_is_none_or_whole(tidegate, app, ids):
    app.do("activate", ids[ONE])
    for number in range(KILLS):
        before = holds(app)
        wanted = ids[TWO] if before["active"] == ids[ONE] else ids[ONE]
        ended = killed(start(tidegate, app, "activate", wanted), random.uniform(0, ACTIVATE_SECONDS))
        after = holds(app)
        moved = after == {"generation": before["generation"] + 1, "active": wanted}
        assert moved or (after == before and not ended), number
    app.do("activate", ids[THREE])
    assert holds(app)["active"] == ids[THREE]


def test_a_prune_that_is_killed_is_ended_by_the_next(tidegate, app, ids):
    rules = ["--keep", "1", "--min-age", "0s"]
    app.do("activate", ids[ONE])
    gone = set(ids.values()) - {ids[ONE]}
    for _ in range(KILLS):
        killed(start(tidegate, app, "prune", *rules), random.uniform(0, ACTIVATE_SECONDS))
        assert app.active() == ids[ONE]
        # What is being removed cannot be activated, and what is gone is published again.
        if pruning := app.do("status")["pointer"].get("pruning"):
            assert set(pruning) <= gone
            left = {one["id"] for one in app.do("list")["releases"]} & set(pruning)
            assert all("is about to be pruned" in app.refuse("activate", release) for release in left)
    app.do("prune", *rules)
    assert [one["id"] for one in app.do("list")["releases"]] == [ids[ONE]]
    assert {path.stem for path in (app.store / "artifacts").glob("*.cwasm")} == app.artifacts(ids[ONE])
    assert "pruning" not in holds(app)
    assert app.create(TWO) == ids[TWO]
    app.do("activate", ids[TWO])


def test_of_two_activations_at_once_one_is_made_and_the_other_says_so(tidegate, app, ids):
    app.do("activate", ids[THREE])
    with (app.store / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        processes = [start(tidegate, app, "activate", ids[text]) for text in (ONE, TWO)]
        # Each has read the pointer, and waits for its turn.
        wait_until(lambda: all(has_open(process, app.store / "lock") for process in processes))
    (won, lost) = sorted(map(finish, processes))
    assert (won[0], lost[0]) == (0, 1)
    assert "was first" in lost[1] and "hint: look at `tidegate release status`" in lost[1]
    pointer = holds(app)
    assert pointer["generation"] == 2 and pointer["active"] in (ids[ONE], ids[TWO])


def has_open(process, path):
    with contextlib.suppress(FileNotFoundError):
        return any(file.readlink() == path for file in Path(f"/proc/{process.pid}/fd").iterdir())
    return False


def test_of_many_activations_at_once_each_is_made_or_says_why_not(tidegate, app, ids):
    app.do("activate", ids[FOUR])
    for _ in range(10):
        before = holds(app)["generation"]
        processes = [start(tidegate, app, "activate", ids[text]) for text in (ONE, TWO, THREE) for _ in range(2)]
        statuses = [finish(process) for process in processes]
        refusals = [errors for status, errors in statuses if status != 0]
        assert all("was first" in said or "is active already" in said for said in refusals), refusals
        moves = len(statuses) - len(refusals)
        assert moves >= 1 and holds(app)["generation"] == before + moves


def test_two_publications_of_the_same_at_once_are_one(tidegate, app, ids):
    for number in range(5):
        app.build(version(200 + number))
        statuses = [finish(process) for process in [start(tidegate, app, "create") for _ in range(3)]]
        assert [status for status, _ in statuses] == [0, 0, 0], statuses
        assert len(app.do("list")["releases"]) == len(ids) + number + 1
    holds(app)


@pytest.fixture
def small_disk(tmp_path):
    """A file system with room for little, and what gives it more."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(*options):
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", *options, "tmpfs", folder], capture_output=True, text=True)
        return done.returncode == 0 or done.stderr

    if os.geteuid() != 0:
        pytest.skip("only root mounts a file system of a size")
    if (mounted := mount("size=1m")) is not True:
        pytest.skip(f"this machine lets nobody mount a file system: {mounted}")
    yield folder, lambda: mount("remount,size=64m")
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_on_a_full_disk_nothing_half_written_is_believed(app, small_disk):
    folder, make_room = small_disk
    app.place = ("--store", folder / "releases")
    created = app.create(ONE)
    app.do("activate", created)
    app.build(TWO)
    said = app.refuse("create")
    assert "No space left on device" in said and "hint: make room there" in said
    assert [one["id"] for one in app.do("list")["releases"]] == [created]
    (folder / "ballast").write_bytes(bytes(os.statvfs(folder).f_bavail * os.statvfs(folder).f_bsize))
    said = app.refuse("rollback")
    assert "No space left on device" in said
    assert app.do("status")["pointer"] == {"generation": 1, "active": created}
    assert make_room() is True
    other = app.do("create")["id"]
    app.do("activate", other)
    assert holds(app) == {"generation": 2, "active": other}
