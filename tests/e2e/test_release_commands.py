"""`tidegate release` on a folder that no host serves: published releases, the active one, and the history."""

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
        app.release("activate", ids[text])


def test_release_id_is_a_hash_of_content_and_published_once(app, ids):
    created = app.release("create")
    again = app.release("create")
    assert (created["new"], again["new"]) == (True, False)
    assert created["id"] == again["id"] not in ids.values()
    assert created["provenance"] == again["provenance"]
    assert signing.release_id(signing.document(app.envelope(created["id"]))) == created["id"]
    # Without `--json`, standard output is the id alone.
    printed = app.run("release", "create", app.folder, "--key", app.keys[0])
    assert printed.stdout == f"{created['id']}\n"


def test_show_describes_components_grants_and_signatures(app, ids):
    shown = app.release("show", ids[ONE])
    document = shown["document"]
    stored = app.store / "artifacts"
    assert document["app"]["routes"]["$default"]["grants"] == {"messaging": {"send": "self"}}
    assert document["app"]["routes"]["$default"]["limits"]["time"] == "2s"
    assert document["targets"].keys() == {"aarch64-unknown-linux-gnu", "x86_64-unknown-linux-gnu"}
    assert (document["engine"].split("-")[0], document["wit"]) == ("wasmtime", "0.1.0")
    (component,) = document["components"].values()
    for artifact in component["artifacts"].values():
        assert (stored / f"{artifact['digest']}.cwasm").stat().st_size == artifact["size"]
    assert (shown["trusted"], shown["complete"], shown["problems"]) == (True, True, [])
    assert [one["name"] for one in shown["signatures"]] == ["ci"]
    printed = app.run("release", "show", ids[ONE], "--app", app.folder).stdout
    assert f"{ids[ONE]} of versions" in printed and "signed by  ci" in printed


def test_list_marks_the_active_release_and_the_canary(app, ids):
    app.release("activate", ids[ONE])
    app.release("canary", ids[TWO], "--percent", "5")
    listed = {one["id"]: one for one in app.release("list")["releases"]}
    assert listed.keys() == set(ids.values())
    assert [id for id, one in listed.items() if one["active"]] == [ids[ONE]]
    assert [id for id, one in listed.items() if one["canary"]] == [ids[TWO]]
    assert {name for one in listed.values() for name in one["signed-by"]} == {"ci"}
    times = [one["published-at"] for one in listed.values()]
    assert times == sorted(times, reverse=True)
    printed = app.run("release", "list", "--app", app.folder).stdout.splitlines()
    assert printed[0].split()[0] == "RELEASE" and len(printed) == 1 + len(ids)


def test_releases_are_found_by_id_prefix_active_or_canary(app, ids):
    app.release("activate", ids[ONE][:4] if unique(ids, ONE) else ids[ONE])
    app.release("canary", ids[TWO], "--percent", "1")
    assert app.release("show", "active")["id"] == ids[ONE]
    assert app.release("show", "canary")["id"] == ids[TWO]
    app.refuse("store-not-found", "show", "ffff0000", names=["`ffff0000`"])
    # Two ids with the same prefix.
    twin = app.envelope(ids[ONE]).with_name(f"{ids[ONE][:15]}{'0' if ids[ONE][15] != '0' else '1'}.json")
    shutil.copy(app.envelope(ids[ONE]), twin)
    app.refuse("release-ambiguous", "activate", ids[ONE][:15], names=[ids[ONE], twin.stem], hint="digits")
    assert app.run_release("activate", "abc").returncode == 2


def unique(ids, text):
    return sum(id.startswith(ids[text][:4]) for id in ids.values()) == 1


def test_diff_names_code_grants_and_configuration(app, ids):
    app.write_manifest(keys(app), more='grants.config = ["motd"]')
    app.set_version(TWO)
    other = app.release("create")["id"]
    difference = app.release("diff", ids[ONE], other)
    changed = difference["routes"]["changed"]["$default"]
    assert changed["grants"] and changed["code"]["from"] != changed["code"]["to"]
    assert difference["grants"]["grown"] == ["$default newly asks for the configuration value motd"]
    assert difference["config"] == {"added": ["motd"], "removed": []}
    back = app.release("diff", other, ids[ONE])
    assert back["grants"]["grown"] == []
    assert back["grants"]["shrunk"] == ["$default no longer asks for the configuration value motd"]
    printed = app.run("release", "diff", ids[ONE], other, "--app", app.folder).stdout
    assert "~ $default: code, grants" in printed and "newly asks for the configuration value motd" in printed
    same = app.run("release", "diff", other, other, "--app", app.folder).stdout
    assert "nothing differs" in same


def keys(app):
    """Returns the tables of keys in the app's manifest."""
    manifest = (app.folder / "tidegate.toml").read_text()
    return manifest[manifest.index("[keys.") :]


def test_history_records_who_what_and_why_of_each_change(app, ids):
    before = int(time.time() * 1_000)
    app.release("activate", ids[ONE], "--reason", "first")
    app.release("activate", ids[TWO])
    app.release("canary", ids[THREE], "--percent", "2.5", "--error-budget", "7")
    app.release("promote")
    assert app.active() == ids[THREE]
    for previous in (ids[TWO], ids[ONE], None):
        app.release("rollback", "--reason", "back")
        assert app.active() == previous
    app.refuse("release-none-active", "rollback")

    changes = app.release("history")["changes"]
    assert [one["generation"] for one in changes] == list(range(7, 0, -1))
    assert [one["action"] for one in changes] == ["rollback"] * 3 + ["promote", "canary", "activate", "activate"]
    steps = [(one.get("from"), one.get("to")) for one in reversed(changes)]
    assert steps == [
        (None, ids[ONE]), (ids[ONE], ids[TWO]), (ids[TWO], ids[TWO]), (ids[TWO], ids[THREE]), (ids[THREE], ids[TWO]),
        (ids[TWO], ids[ONE]), (ids[ONE], None),
    ]
    canary = changes[4]["canary"]
    assert (canary["release"], canary["share"], canary["error-budget"]) == (ids[THREE], 250, 7)
    assert [one.get("why") for one in changes] == ["back"] * 3 + [None] * 3 + ["first"]
    user = os.environ.get("USER") or os.environ.get("LOGNAME") or f"uid {os.getuid()}"
    assert {one["who"] for one in changes} == {f"{user}@{socket.gethostname()}"}
    assert all(before <= one["at"] <= time.time() * 1_000 for one in changes)
    assert [one["generation"] for one in app.release("history", "--limit", "2")["changes"]] == [7, 6]
    printed = app.run("release", "history", "--app", app.folder).stdout.splitlines()
    assert len(printed) == 8 and "first" in printed[-1]


def test_canary_ends_by_rollback_promote_or_activate(app, ids):
    app.release("activate", ids[ONE])
    ends = [(TWO, "rollback", ids[ONE]), (TWO, "promote", ids[TWO]), (ONE, f"activate {ids[THREE]}", ids[THREE])]
    for canary, end, active in ends:
        app.release("canary", ids[canary], "--percent", "50")
        app.release(*end.split())
        assert app.release("status")["pointer"].get("canary") is None
        assert app.active() == active
    app.refuse("canary-missing", "promote")


def test_invalid_arguments_are_refused(app, ids):
    app.release("activate", ids[ONE])
    for command in (["activate", ids[ONE]], ["canary", ids[ONE], "--percent", "5"]):
        app.refuse("release-active", *command, names=[f"`{ids[ONE]}`"])
    for wrong in ("0", "100.01", "-1", "five", "1.005"):
        assert app.run_release("canary", ids[TWO], f"--percent={wrong}").returncode == 2
    assert app.run_release("activate", ids[TWO], "--reason", " ").returncode == 2
    assert app.release("status")["pointer"] == {"generation": 1, "active": ids[ONE]}


def test_reading_commands_do_not_create_a_store(app):
    app.store_arguments = ("--store", app.folder / "elsewhere")
    for command in ("list", "status", "rollback"):
        app.refuse("releases-missing", command, names=[app.folder / "elsewhere"])
    assert not (app.folder / "elsewhere").exists()
    app.release("create")
    assert len(app.release("list")["releases"]) == 1


def test_status_shows_the_active_release_and_the_canary(app, ids):
    assert app.release("status")["pointer"] == {"generation": 0}
    assert "active    none" in app.run("release", "status", "--app", app.folder).stdout
    app.release("activate", ids[ONE])
    app.release("canary", ids[TWO], "--percent", "12.5", "--error-budget", "3")
    status = app.release("status")
    assert status["tally"] == {"events": 0, "traps": 0, "timeouts": 0, "errors": 0}
    assert status["last-change"]["generation"] == 2 and status["halt"] is None
    printed = app.run("release", "status", "--app", app.folder).stdout
    assert f"{ids[TWO]} for 12.50 % of the connections" in printed and "0 of 3 failures" in printed


def test_new_grants_need_a_flag(app, ids):
    app.release("activate", ids[ONE])
    app.write_manifest(keys(app), more='grants.connections = { groups = ["room-*"] }')
    more = app.release("create")["id"]
    for command in (["activate", more], ["canary", more, "--percent", "5"]):
        wanted = [f"`{more}`", "$default newly asks for membership of room-*"]
        app.refuse("grants-widened", *command, names=wanted, hint="`--allow-new-grants`")
    assert app.active() == ids[ONE]
    moved = app.release("activate", more, "--allow-new-grants")
    assert moved["new-grants"] == ["$default newly asks for membership of room-*"]
    # Neither fewer grants nor grants that were allowed before need the flag.
    app.release("rollback")
    assert app.active() == ids[ONE]


def test_prune_keeps_active_canary_previous_and_young_releases(app, ids):
    activate(app, ids, ONE, TWO, THREE)
    app.release("canary", ids[broken(1)], "--percent", "1")
    assert app.release("prune")["releases"] == [], "every release is less than an hour old"
    rules = ["--keep", "1", "--min-age", "0s"]
    # The active release, the canary, and the target of a rollback.
    kept = {ids[THREE], ids[broken(1)], ids[TWO]}
    needed = app.artifacts(*kept)
    planned = app.release("prune", *rules, "--dry-run")
    assert set(planned["releases"]) == set(ids.values()) - kept
    assert len(app.release("list")["releases"]) == len(ids)
    pruned = app.release("prune", *rules, "--reason", "old")
    assert (pruned["releases"], pruned["artifacts"]) == (planned["releases"], planned["artifacts"])
    assert {one["id"] for one in app.release("list")["releases"]} == kept == set(pruned["kept"])
    assert {path.stem for path in (app.store / "artifacts").glob("*.cwasm")} == needed
    assert all(app.release("show", release)["complete"] for release in kept)
    app.refuse("store-not-found", "activate", ids[ONE], names=[f"`{ids[ONE]}`"])
    assert app.release("history")["changes"][0]["why"] == "old"
    assert app.release("prune", *rules)["releases"] == []
    # A pruned release can be published again, with the same id.
    assert app.create(ONE) == ids[ONE]
    assert app.release("show", ids[ONE])["complete"]


def test_prune_keeps_recently_active_releases_and_shared_artifacts(app, ids):
    # The same component with other limits is another release with the same artifacts.
    app.write_manifest(keys(app), more="limits.memory = \"32MiB\"")
    app.set_version(ONE)
    twin = app.release("create")["id"]
    assert app.artifacts(twin) == app.artifacts(ids[ONE])
    activate(app, ids, ONE, TWO, THREE)
    app.release("activate", twin)
    app.release("activate", ids[FOUR])
    app.release("prune", "--keep", "2", "--min-age", "0s")
    left = {one["id"] for one in app.release("list")["releases"]}
    assert {ids[FOUR], twin} <= left and ids[ONE] not in left and ids[broken(1)] not in left
    assert app.release("show", twin)["complete"]
    app.release("rollback")
    assert app.active() == twin


@pytest.mark.parametrize("command", ["list", "status", "history --limit 1", "prune --dry-run"])
def test_json_output_is_one_object(app, ids, command):
    activate(app, ids, ONE)
    printed = app.run("release", *command.split(), "--app", app.folder, "--json").stdout
    assert isinstance(json.loads(printed), dict)


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_closed_standard_output_is_not_an_error(tidegate, app, ids, more):
    activate(app, ids, ONE, TWO)
    command = [tidegate, "release", "history", "--app", app.folder, *more]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        assert (process.stderr.read(), process.wait(30)) == ("", 0)
