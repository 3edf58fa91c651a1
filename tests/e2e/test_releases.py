"""A running host follows the pointer: it swaps releases while sockets stay open."""

import json
import subprocess
import threading

import chat
import logs
import pytest
import server
from releases import UNCHANGED, broken, version, versions
from waiting import wait_until

ONE, TWO, THREE, FOUR = map(version, range(1, 5))

in_process = pytest.mark.parametrize("backend", [server.IN_PROCESS], indirect=True, ids=lambda backend: backend.name)


def wait_for_version(client, text):
    """Waits until the version with this text answers."""
    wait_until(lambda: client.probe() == text)


def test_bundled_release_runs_until_an_activation_and_sockets_stay_open(app, follow, clients):
    running = follow(max_staleness=None)
    (client,) = clients(running)
    assert client.probe() == UNCHANGED
    created = app.create(version(9))
    assert client.probe() == UNCHANGED
    app.release("activate", created)
    wait_for_version(client, version(9))
    # The host reports that it has loaded the release.
    reports = wait_until(lambda: app.release("status")["reports"])
    assert reports[created]["loaded"] >= 1 and reports[created]["failed"] == 0
    assert running.stop() == 0
    assert any(logs.SWAPPED in line and created in line for line in running.errors.splitlines())


def test_active_release_runs_after_the_start(app, ids, follow, clients):
    app.release("activate", ids[TWO])
    (client,) = clients(follow())
    wait_until(lambda: client.probe() == TWO)


def test_rollbacks_lead_back_to_the_bundled_release(app, ids, follow, clients):
    (client,) = clients(follow())
    for text in (ONE, TWO, THREE):
        app.release("activate", ids[text])
        wait_for_version(client, text)
    for text in (TWO, ONE, UNCHANGED):
        app.release("rollback")
        wait_for_version(client, text)
    app.release("activate", ids[THREE])
    wait_for_version(client, THREE)


def test_every_connection_swaps_and_no_reply_is_lost(app, ids, follow, clients):
    running = follow()
    several = clients(running, 8)
    texts = [ONE, TWO, THREE, ONE, THREE]
    for text in texts:
        app.release("activate", ids[text])
        wait_until(lambda: set(versions(several)) == {text})  # noqa: B023
    # `probe` asserts that each message had one note and one reply, in order.
    assert all(client.sequence >= len(texts) for client in several)


# A process of a function swaps between its events only.
@in_process
def test_event_finishes_on_the_release_it_started_on(app, ids, follow, clients):
    (slow, quick) = clients(follow(), 2)
    app.release("activate", ids[broken(1)])
    for client in (slow, quick):
        wait_for_version(client, broken(1))
    slow.send_probe("rest")
    app.release("activate", ids[TWO])
    wait_for_version(quick, TWO)
    assert slow.receive_version() == broken(1)
    wait_for_version(slow, TWO)


# The stores are in this process whatever the backend, so a kill is tested once.
@in_process
def test_releases_and_data_survive_a_kill(app, ids, serve, clients, tmp_path):
    def start():
        return serve("--data", tmp_path / "data", "--releases", app=app.folder)

    first = start()
    (client,) = clients(first)
    app.release("activate", ids[ONE])
    wait_for_version(client, ONE)
    first.kill()
    app.release("activate", ids[TWO])
    (client,) = clients(start())
    wait_until(lambda: client.probe() == TWO)


@in_process
def test_host_killed_during_swaps_restarts_with_the_active_release(app, ids, follow, clients):
    stop = threading.Event()

    def swap():
        while not stop.is_set():
            for text in (ONE, TWO, THREE):
                app.release("activate", ids[text])

    swapping = threading.Thread(target=swap)
    swapping.start()
    try:
        for _ in range(3):
            running = follow()
            (client,) = clients(running)
            # Wait for the first swap.
            wait_until(lambda: client.probe() != UNCHANGED)  # noqa: B023
            running.kill()
    finally:
        stop.set()
        swapping.join()
    (active,) = [text for text, id in ids.items() if id == app.active()]
    (client,) = clients(follow())
    wait_until(lambda: client.probe() == active)
    wait_for_version(client, active)


def test_store_outside_the_app_folder_is_followed(app, ids, follow, clients, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    app.store.rename(elsewhere)
    app.store_arguments = ("--store", elsewhere)
    (client,) = clients(follow(elsewhere))
    app.release("activate", ids[ONE])
    wait_for_version(client, ONE)
    assert not app.store.exists()


def test_missing_releases_folder_is_created(app, follow, clients, tmp_path):
    app.store_arguments = ("--store", tmp_path / "new")
    (client,) = clients(follow(tmp_path / "new"))
    assert client.probe() == UNCHANGED
    app.release("activate", app.create(ONE))
    wait_for_version(client, ONE)


def test_source_changes_are_not_followed(app, ids, follow, clients):
    running = follow()
    (client,) = clients(running)
    app.set_version(FOUR)
    app.release("activate", ids[ONE])
    wait_for_version(client, ONE)
    app.release("rollback")
    wait_for_version(client, UNCHANGED)


def test_release_with_different_routing_is_refused(app, ids, follow, clients):
    (client,) = clients(follow())
    app.write_manifest(keys(app), more='[routes.fly]\ncomponent = "version"\ngrants.messaging = { send = "self" }')
    app.set_version(ONE)
    flies = app.release("create")["id"]
    for command in (["activate", flies], ["canary", flies, "--percent", "5"]):
        wanted = {"names": [flies, "`fly`"], "hint": "`tidegate dev --releases`"}
        app.refuse("routing-differs", *command, "--allow-new-grants", **wanted)
    assert app.release("diff", "deployed", flies)["routing"] == "routes or their responses (`fly`)"
    assert client.probe() == UNCHANGED
    assert app.active() is None


def test_new_grants_are_relative_to_the_bundled_release(app, follow, clients):
    (client,) = clients(follow())
    app.write_manifest(keys(app), more='grants.connections = { list = true }')
    app.set_version(ONE)
    more = app.release("create")["id"]
    app.refuse("grants-widened", "activate", more, names=["$default newly asks for the list of connections"])
    app.release("activate", more, "--allow-new-grants")
    wait_for_version(client, ONE)


def keys(app):
    """Returns the tables of keys in the app's manifest."""
    manifest = (app.folder / "tidegate.toml").read_text()
    return manifest[manifest.index("[keys.") :]


def test_log_lines_of_an_event_name_its_release(app, ids, follow, clients):
    running = follow()
    (client,) = clients(running)
    app.release("activate", ids[broken(1)])
    wait_for_version(client, broken(1))
    assert client.trigger_failure("trap") == "Internal server error"
    wait_until(lambda: any("trap" in line and ids[broken(1)] in line for line in running.errors.splitlines()))


@in_process
def test_status_shows_a_folder_that_is_being_served(app, ids, follow, tidegate):
    follow()
    app.release("activate", ids[ONE])
    printed = subprocess.run(
        [tidegate, "release", "status", "--app", app.folder], capture_output=True, text=True, timeout=chat.TIMEOUT
    ).stdout
    assert f"active    {ids[ONE]}" in printed
    assert "deployed  versions with 1 route" in printed
    deployed = json.loads((app.store / "deployed.json").read_text())
    assert deployed["name"] == "versions" and deployed["routes"].keys() == {"$default"}
