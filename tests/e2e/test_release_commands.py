"""`tidegate release` on a folder that nothing serves: what is published, what is to run, and who said so."""

import json
import os
import shutil
import socket
import subprocess
import time

import pytest
import signing
from releases import broken, version

ONE, TWO, THREE, FOUR = map(version, range(1, 5))


def activate(app, ids, *texts):
    for text in texts:
        app.do("activate", ids[text])


def test_what_is_created_is_its_content_and_is_published_once(app, ids):
    created = app.do("create")
    again = app.do("create")
    assert (created["new"], again["new"]) == (True, False)
    assert created["id"] == again["id"] not in ids.values()
    assert created["provenance"] == again["provenance"]
    assert signing.release_id(signing.document(app.envelope(created["id"]))) == created["id"]
    # Without `--json`, standard output is the id alone.
    printed = app.run("release", "create", app.folder, "--key", app.keys[0])
    assert printed.stdout == f"{created['id']}\n"


def test_a_release_says_what_it_is_made_of_and_from(app, ids):
    shown = app.do("show", ids[ONE])
    document, kept = shown["document"], app.store / "artifacts"
    assert document["app"]["routes"]["$default"]["grants"] == {"messaging": {"send": "self"}}
    assert document["app"]["routes"]["$default"]["limits"]["time"] == "2s"
    assert document["targets"].keys() == {"aarch64-unknown-linux-gnu", "x86_64-unknown-linux-gnu"}
    assert (document["engine"].split("-")[0], document["wit"]) == ("wasmtime", "0.1.0")
    (component,) = document["components"].values()
    for artifact in component["artifacts"].values():
        assert (kept / f"{artifact['digest']}.cwasm").stat().st_size == artifact["size"]
    assert (shown["trusted"], shown["complete"], shown["problems"]) == (True, True, [])
    assert [one["name"] for one in shown["signatures"]] == ["ci"]
    printed = app.run("release", "show", ids[ONE], "--app", app.folder).stdout
    assert f"{ids[ONE]} of versions" in printed and "signed by  ci" in printed


def test_the_list_says_which_run(app, ids):
    app.do("activate", ids[ONE])
    app.do("canary", ids[TWO], "--percent", "5")
    listed = {one["id"]: one for one in app.do("list")["releases"]}
    assert listed.keys() == set(ids.values())
    assert [id for id, one in listed.items() if one["active"]] == [ids[ONE]]
    assert [id for id, one in listed.items() if one["canary"]] == [ids[TWO]]
    assert {name for one in listed.values() for name in one["signed-by"]} == {"ci"}
    times = [one["published-at"] for one in listed.values()]
    assert times == sorted(times, reverse=True)
    printed = app.run("release", "list", "--app", app.folder).stdout.splitlines()
    assert printed[0].split()[0] == "RELEASE" and len(printed) == 1 + len(ids)


def test_an_id_may_be_shortened_and_what_runs_has_a_name(app, ids):
    app.do("activate", ids[ONE][:4] if unique(ids, ONE) else ids[ONE])
    app.do("canary", ids[TWO], "--percent", "1")
    assert app.do("show", "active")["id"] == ids[ONE]
    assert app.do("show", "canary")["id"] == ids[TWO]
    assert "there is no release `ffff0000`" in app.refuse("show", "ffff0000")
    # Two that begin alike.
    twin = app.envelope(ids[ONE]).with_name(f"{ids[ONE][:15]}{'0' if ids[ONE][15] != '0' else '1'}.json")
    shutil.copy(app.envelope(ids[ONE]), twin)
    said = app.refuse("activate", ids[ONE][:15])
    assert "several releases begin with" in said and twin.stem in said and "hint: give more digits" in said
    assert app.attempt("activate", "abc").returncode == 2


def unique(ids, text):
    return sum(id.startswith(ids[text][:4]) for id in ids.values()) == 1


def test_a_difference_names_code_grants_and_configuration(app, ids):
    app.describe(keys(app), more='grants.config = ["motd"]')
    app.build(TWO)
    other = app.do("create")["id"]
    difference = app.do("diff", ids[ONE], other)
    changed = difference["routes"]["changed"]["$default"]
    assert changed["grants"] and changed["code"]["from"] != changed["code"]["to"]
    assert difference["grants"]["grown"] == ["$default newly asks for the configuration value motd"]
    assert difference["config"] == {"added": ["motd"], "removed": []}
    back = app.do("diff", other, ids[ONE])
    assert back["grants"]["grown"] == []
    assert back["grants"]["shrunk"] == ["$default no longer asks for the configuration value motd"]
    printed = app.run("release", "diff", ids[ONE], other, "--app", app.folder).stdout
    assert "~ $default: code, grants" in printed and "newly asks for the configuration value motd" in printed
    same = app.run("release", "diff", other, other, "--app", app.folder).stdout
    assert "nothing differs" in same


def keys(app):
    """The keys of the app's manifest."""
    manifest = (app.folder / "tidegate.toml").read_text()
    return manifest[manifest.index("[keys.") :]


def test_history_says_who_did_what_and_why_and_goes_back_step_by_step(app, ids):
    before = int(time.time() * 1_000)
    app.do("activate", ids[ONE], "--reason", "first")
    app.do("activate", ids[TWO])
    app.do("canary", ids[THREE], "--percent", "2.5", "--error-budget", "7")
    app.do("promote")
    assert app.active() == ids[THREE]
    for gone_back_to in (ids[TWO], ids[ONE], None):
        app.do("rollback", "--reason", "back")
        assert app.active() == gone_back_to
    assert "no release is active" in app.refuse("rollback")

    changes = app.do("history")["changes"]
    assert [one["generation"] for one in changes] == list(range(7, 0, -1))
    assert [one["action"] for one in changes] == ["rollback"] * 3 + ["promote", "canary", "activate", "activate"]
    steps = [(one.get("from"), one.get("to")) for one in reversed(changes)]
    one, two, three = ids[ONE], ids[TWO], ids[THREE]
    assert steps == [(None, one), (one, two), (two, two), (two, three), (three, two), (two, one), (one, None)]
    canary = changes[4]["canary"]
    assert (canary["release"], canary["share"], canary["error-budget"]) == (three, 250, 7)
    assert [one.get("why") for one in changes] == ["back"] * 3 + [None] * 3 + ["first"]
    user = os.environ.get("USER") or os.environ.get("LOGNAME") or f"uid {os.getuid()}"
    assert {one["who"] for one in changes} == {f"{user}@{socket.gethostname()}"}
    assert all(before <= one["at"] <= time.time() * 1_000 for one in changes)
    assert [one["generation"] for one in app.do("history", "--limit", "2")["changes"]] == [7, 6]
    printed = app.run("release", "history", "--app", app.folder).stdout.splitlines()
    assert len(printed) == 8 and "first" in printed[-1]


def test_a_canary_ends_by_a_rollback_by_a_promotion_and_by_an_activation(app, ids):
    app.do("activate", ids[ONE])
    ends = [(TWO, "rollback", ids[ONE]), (TWO, "promote", ids[TWO]), (ONE, f"activate {ids[THREE]}", ids[THREE])]
    for canary, end, active in ends:
        app.do("canary", ids[canary], "--percent", "50")
        app.do(*end.split())
        assert app.do("status")["pointer"].get("canary") is None
        assert app.active() == active
    assert "there is no canary" in app.refuse("promote")


def test_what_makes_no_sense_is_refused(app, ids):
    app.do("activate", ids[ONE])
    for command in (["activate", ids[ONE]], ["canary", ids[ONE], "--percent", "5"]):
        assert f"the release `{ids[ONE]}` is active already" in app.refuse(*command)
    for wrong in ("0", "100.01", "-1", "five", "1.005"):
        assert app.attempt("canary", ids[TWO], f"--percent={wrong}").returncode == 2
    assert app.attempt("activate", ids[TWO], "--reason", " ").returncode == 2
    assert app.do("status")["pointer"] == {"generation": 1, "active": ids[ONE]}


def test_a_folder_without_releases_is_not_made(app):
    app.place = ("--store", app.folder / "elsewhere")
    for command in ("list", "status", "rollback"):
        assert "there are no releases in" in app.refuse(command)
    assert not (app.folder / "elsewhere").exists()
    app.do("create")
    assert len(app.do("list")["releases"]) == 1


def test_status_says_what_is_to_run_and_how(app, ids):
    assert app.do("status")["pointer"] == {"generation": 0}
    assert "active    none" in app.run("release", "status", "--app", app.folder).stdout
    app.do("activate", ids[ONE])
    app.do("canary", ids[TWO], "--percent", "12.5", "--error-budget", "3")
    status = app.do("status")
    assert status["tally"] == {"events": 0, "traps": 0, "timeouts": 0, "errors": 0}
    assert status["last-change"]["generation"] == 2 and status["halt"] is None
    printed = app.run("release", "status", "--app", app.folder).stdout
    assert f"{ids[TWO]} for 12.50 % of the connections" in printed and "0 of 3 failures" in printed


def test_a_release_that_may_do_more_is_activated_only_when_that_is_meant(app, ids):
    app.do("activate", ids[ONE])
    app.describe(keys(app), more='grants.connections = { groups = ["room-*"] }')
    more = app.do("create")["id"]
    for command in (["activate", more], ["canary", more, "--percent", "5"]):
        said = app.refuse(*command)
        assert f"the release `{more}` may do what the one that runs may not:" in said
        assert "\n  $default newly asks for membership of room-*\n" in said
        assert "hint: if that is meant, say so with `--allow-new-grants`" in said
    assert app.active() == ids[ONE]
    moved = app.do("activate", more, "--allow-new-grants")
    assert moved["new-grants"] == ["$default newly asks for membership of room-*"]
    # Back and forth: what it was allowed to do before needs no permission, less needs none either.
    app.do("rollback")
    assert app.active() == ids[ONE]


def test_prune_keeps_what_runs_what_ran_last_and_what_is_young(app, ids):
    activate(app, ids, ONE, TWO, THREE)
    app.do("canary", ids[broken(1)], "--percent", "1")
    assert app.do("prune")["releases"] == [], "they were all published within the hour"
    rules = ["--keep", "1", "--min-age", "0s"]
    # The active one, the canary, and what a rollback leads to.
    kept = {ids[THREE], ids[broken(1)], ids[TWO]}
    needed = app.artifacts(*kept)
    planned = app.do("prune", *rules, "--dry-run")
    assert set(planned["releases"]) == set(ids.values()) - kept
    assert len(app.do("list")["releases"]) == len(ids)
    pruned = app.do("prune", *rules, "--reason", "old")
    assert (pruned["releases"], pruned["artifacts"]) == (planned["releases"], planned["artifacts"])
    assert {one["id"] for one in app.do("list")["releases"]} == kept == set(pruned["kept"])
    assert {path.stem for path in (app.store / "artifacts").glob("*.cwasm")} == needed
    assert all(app.do("show", release)["complete"] for release in kept)
    assert "there is no release" in app.refuse("activate", ids[ONE])
    assert app.do("history")["changes"][0]["why"] == "old"
    assert app.do("prune", *rules)["releases"] == []
    # What is gone can be published again, and is the same.
    assert app.create(ONE) == ids[ONE]
    assert app.do("show", ids[ONE])["complete"]


def test_prune_keeps_the_last_that_ran_and_an_artifact_that_another_release_has(app, ids):
    # The same component under other limits: another release of the same artifacts.
    app.describe(keys(app), more="limits.memory = \"32MiB\"")
    app.build(ONE)
    twin = app.do("create")["id"]
    assert app.artifacts(twin) == app.artifacts(ids[ONE])
    activate(app, ids, ONE, TWO, THREE)
    app.do("activate", twin)
    app.do("activate", ids[FOUR])
    app.do("prune", "--keep", "2", "--min-age", "0s")
    left = {one["id"] for one in app.do("list")["releases"]}
    assert {ids[FOUR], twin} <= left and ids[ONE] not in left and ids[broken(1)] not in left
    assert app.do("show", twin)["complete"]
    app.do("rollback")
    assert app.active() == twin


@pytest.mark.parametrize("command", ["list", "status", "history --limit 1", "prune --dry-run"])
def test_json_is_one_value(app, ids, command):
    activate(app, ids, ONE)
    printed = app.run("release", *command.split(), "--app", app.folder, "--json").stdout
    assert isinstance(json.loads(printed), dict)


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_reader_that_has_had_enough_is_no_error(tidegate, app, ids, more):
    activate(app, ids, ONE, TWO)
    command = [tidegate, "release", "history", "--app", app.folder, *more]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        assert (process.stderr.read(), process.wait(30)) == ("", 0)
