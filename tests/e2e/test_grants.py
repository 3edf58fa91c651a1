"""Grants of a component that serves several routes: each route may do what it is granted, and no more."""

import shutil

import chat
import pytest
from errors import assert_error
from waiting import wait_until

# The chat's component `rooms` imports `connections` and `messaging`, and serves the routes `join` and `leave`.
MANIFEST = """
[app]
name = "shared"
route-selection-expression = "$request.body.action"

[components.rooms]
source = "rooms.wasm"
{component}

[routes.join]
component = "rooms"
response = true
{join}

[routes.leave]
component = "rooms"
response = true
{leave}
"""
CONNECTIONS = 'grants.connections = { groups = ["lobby", "room-*"] }\n'
MESSAGING = 'grants.messaging = { broadcast = ["room-*"] }\n'


@pytest.fixture
def app(tmp_path, guests):
    """Creates the app's folder with these grants."""

    def app(*, component="", join="", leave=""):
        folder = tmp_path / "app"
        folder.mkdir()
        (folder / "tidegate.toml").write_text(MANIFEST.format(component=component, join=join, leave=leave))
        shutil.copy(guests("chat_rooms"), folder / "rooms.wasm")
        return folder

    return app


GRANTED_TO_ONE_ROUTE = [
    pytest.param({"join": CONNECTIONS + MESSAGING, "leave": MESSAGING}, id="route grants"),
    pytest.param(
        {"component": CONNECTIONS + MESSAGING, "leave": "grants.connections = false\n"}, id="component grants"
    ),
    pytest.param(
        {"component": MESSAGING, "join": CONNECTIONS, "leave": "grants.config = []\n"}, id="component and route grants"
    ),
]


@pytest.mark.parametrize("grants", GRANTED_TO_ONE_ROUTE)
def test_check_accepts_a_component_whose_imports_one_route_is_granted(run, app, grants):
    done = run("check", app(**grants))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("grants", GRANTED_TO_ONE_ROUTE)
def test_ungranted_route_of_a_shared_component_is_forbidden(serve, app, grants):
    running = serve("--memory", app=app(**grants))
    with chat.Client(running.url) as client:
        client.enter("red")
        client.send({"action": "leave", "room": "red"})
        # The client cannot mend it, so the text goes to the log only.
        assert client.receive_error() == "Internal server error"
        wait_until(lambda: "`grants.connections`" in running.errors)
        client.enter("blue")


def test_import_that_no_route_is_granted_is_refused(run, app):
    done = run("check", app(join=CONNECTIONS, leave=CONNECTIONS))
    named = ["`rooms`", "`tidegate:route/messaging@0.1.0`"]
    assert_error(done, "component-grant-missing", *named, hint="grants.messaging")
