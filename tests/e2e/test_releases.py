"""A running host follows the pointer: releases take each other's place while sockets stay open."""

import json
import subprocess
import threading

import chat
import pytest
import server
from releases import UNCHANGED, answers, broken, version
from waiting import wait_until

ONE, TWO, THREE, FOUR = map(version, range(1, 5))

in_process = pytest.mark.parametrize("backend", [server.IN_PROCESS], indirect=True, ids=lambda backend: backend.name)


def reach(client, text):
    """Waits until a version answers."""
    wait_until(lambda: client.ask() == text)


def test_what_was_deployed_runs_until_a_release_is_activated_and_the_socket_stays(app, follow, clients):
    running = follow()
    (client,) = clients(running)
    assert client.ask() == UNCHANGED
    created = app.create(version(9))
    assert client.ask() == UNCHANGED
    app.do("activate", created)
    reach(client, version(9))
    # By now the host has said so.
    reports = wait_until(lambda: app.do("status")["reports"])
    assert reports[created]["loaded"] >= 1 and reports[created]["failed"] == 0
    assert running.stop() == 0
    assert any("has taken the place of" in line and created in line for line in running.errors.splitlines())


def test_a_release_that_was_active_before_the_start_answers_first(app, ids, follow, clients):
    app.do("activate", ids[TWO])
    (client,) = clients(follow())
    wait_until(lambda: client.ask() == TWO)


def test_rollback_goes_back_and_further_back_to_what_was_deployed(app, ids, follow, clients):
    (client,) = clients(follow())
    for text in (ONE, TWO, THREE):
        app.do("activate", ids[text])
        reach(client, text)
    for text in (TWO, ONE, UNCHANGED):
        app.do("rollback")
        reach(client, text)
    app.do("activate", ids[THREE])
    reach(client, THREE)


def test_every_connection_swaps_and_nothing_is_lost(app, ids, follow, clients):
    running = follow()
    several = clients(running, 8)
    texts = [ONE, TWO, THREE, ONE, THREE]
    for text in texts:
        app.do("activate", ids[text])
        wait_until(lambda: set(answers(several)) == {text})  # noqa: B023
    # `ask` holds that each message had one note and one reply, in order.
    assert all(client.sequence >= len(texts) for client in several)


# A process of a function swaps between its events.
@in_process
def test_an_event_ends_on_the_release_that_it_began_on(app, ids, follow, clients):
    (slow, quick) = clients(follow(), 2)
    app.do("activate", ids[broken(1)])
    for client in (slow, quick):
        reach(client, broken(1))
    slow.tell("rest")
    app.do("activate", ids[TWO])
    reach(quick, TWO)
    assert slow.hear() == broken(1)
    reach(slow, TWO)


def test_releases_and_data_outlive_the_process(app, ids, serve, clients, tmp_path):
    def start():
        return serve("--data", tmp_path / "data", "--releases", app=app.folder)

    first = start()
    (client,) = clients(first)
    app.do("activate", ids[ONE])
    reach(client, ONE)
    first.kill()
    app.do("activate", ids[TWO])
    (client,) = clients(start())
    wait_until(lambda: client.ask() == TWO)


def test_killed_in_the_middle_of_swaps_it_starts_again_with_what_is_active(app, ids, follow, clients):
    stop = threading.Event()

    def swap():
        while not stop.is_set():
            for text in (ONE, TWO, THREE):
                app.do("activate", ids[text])

    swapping = threading.Thread(target=swap)
    swapping.start()
    try:
        for _ in range(3):
            running = follow()
            (client,) = clients(running)
            # It is swapping by then.
            wait_until(lambda: client.ask() != UNCHANGED)  # noqa: B023
            running.kill()
    finally:
        stop.set()
        swapping.join()
    (active,) = [text for text, id in ids.items() if id == app.active()]
    (client,) = clients(follow())
    wait_until(lambda: client.ask() == active)
    reach(client, active)


def test_a_store_elsewhere_is_followed_too(app, ids, follow, clients, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    app.store.rename(elsewhere)
    app.place = ("--store", elsewhere)
    (client,) = clients(follow(elsewhere))
    app.do("activate", ids[ONE])
    reach(client, ONE)
    assert not app.store.exists()


def test_a_folder_of_releases_that_is_not_there_yet_is_made(app, follow, clients, tmp_path):
    app.place = ("--store", tmp_path / "new")
    (client,) = clients(follow(tmp_path / "new"))
    assert client.ask() == UNCHANGED
    app.do("activate", app.create(ONE))
    reach(client, ONE)


def test_changes_of_the_sources_are_not_followed(app, ids, follow, clients):
    running = follow()
    (client,) = clients(running)
    app.build(FOUR)
    app.do("activate", ids[ONE])
    reach(client, ONE)
    app.do("rollback")
    reach(client, UNCHANGED)


def test_another_routing_is_refused_and_its_routes_are_named(app, ids, follow, clients):
    (client,) = clients(follow())
    app.describe(keys(app), more='[routes.fly]\ncomponent = "version"\ngrants.messaging = { send = "self" }')
    app.build(ONE)
    flies = app.do("create")["id"]
    for command in (["activate", flies], ["canary", flies, "--percent", "5"]):
        said = app.refuse(*command, "--allow-new-grants")
        assert "routes or their responses (`fly`)" in said and "hint: start `tidegate dev --releases` again" in said
    assert app.do("diff", "deployed", flies)["routing"] == "routes or their responses (`fly`)"
    assert client.ask() == UNCHANGED
    assert app.active() is None


def test_what_was_deployed_is_what_grants_are_compared_with(app, follow, clients):
    (client,) = clients(follow())
    app.describe(keys(app), more='grants.connections = { list = true }')
    app.build(ONE)
    more = app.do("create")["id"]
    said = app.refuse("activate", more)
    assert "\n  $default newly asks for the list of connections\n" in said
    app.do("activate", more, "--allow-new-grants")
    reach(client, ONE)


def keys(app):
    """The keys of the app's manifest."""
    manifest = (app.folder / "tidegate.toml").read_text()
    return manifest[manifest.index("[keys.") :]


def test_lines_about_an_event_name_the_release_that_it_ran_on(app, ids, follow, clients):
    running = follow()
    (client,) = clients(running)
    app.do("activate", ids[broken(1)])
    reach(client, broken(1))
    assert client.fail("trap") == "Internal server error"
    wait_until(lambda: any("trap" in line and ids[broken(1)] in line for line in running.errors.splitlines()))


@in_process
def test_the_status_of_a_folder_is_shown_while_it_is_served(app, ids, follow, tidegate):
    follow()
    app.do("activate", ids[ONE])
    printed = subprocess.run(
        [tidegate, "release", "status", "--app", app.folder], capture_output=True, text=True, timeout=chat.PATIENCE
    ).stdout
    assert f"active    {ids[ONE]}" in printed
    assert "deployed  versions with 1 route" in printed
    deployed = json.loads((app.store / "deployed.json").read_text())
    assert deployed["name"] == "versions" and deployed["routes"].keys() == {"$default"}
