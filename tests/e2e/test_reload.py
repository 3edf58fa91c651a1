"""An app that is edited while it runs: what changed takes the place of what ran, and no socket notices."""

import json
import shutil

import chat
import pytest
from waiting import wait_until

MANIFEST = """
[app]
name = "edited"
route-selection-expression = "$request.body.action"

[components.guest]
source = "guest.wasm"
build = "sh build.sh"
watch = ["src/**"]

[routes."$default"]
component = "guest"
response = true
"""
# What stands for a compiler: it refuses a source that says so, and its output is the component that the source names.
BUILD = """
if grep -q broken src/name; then echo 'src/name:1: error: this is broken' >&2; exit 1; fi
cp "$(cat src/name)" guest.new && mv guest.new guest.wasm
"""


GREETING = """
[app]
name = "greeting"
route-selection-expression = "$request.body.action"

[components.connect]
source = "connect.wasm"

[routes."$connect"]
component = "connect"
grants.connections = { attributes = "self", groups = ["lobby"] }
grants.messaging = { send = "self" }
grants.config = ["motd"]

[config]
motd = "of the manifest"
"""


@pytest.fixture
def edited(tmp_path, guests):
    """An app with one component, and what makes its source another."""
    folder = tmp_path / "app"
    (folder / "src").mkdir(parents=True)
    (folder / "tidegate.toml").write_text(MANIFEST)
    (folder / "build.sh").write_text(BUILD)

    def edit(source):
        (folder / "src" / "name").write_text(source)

    edit(str(guests("chat_echo")))
    return folder, edit


def answer(client):
    """What the route answers to a text: the same from the echo, and something else from the chat's `default`."""
    client.socket.send('{"action":"fly"}')
    return client.socket.recv(timeout=chat.PATIENCE)


def test_an_edited_component_takes_over_and_the_socket_stays(serve, edited, guests):
    folder, edit = edited
    running = serve("--memory", app=folder)
    with chat.Client(running.url) as client:
        assert answer(client) == '{"action":"fly"}'
        edit(str(guests("chat_default")))
        wait_until(lambda: "`fly`" in answer(client))
        edit(str(guests("chat_echo")))
        wait_until(lambda: answer(client) == '{"action":"fly"}')
    wait_until(lambda: running.errors.count("has taken the place of") == 2)
    assert running.stop() == 0
    assert not running.has_orphans()


def test_a_build_that_fails_shows_why_and_what_ran_goes_on(serve, edited, guests):
    folder, edit = edited
    running = serve("--memory", app=folder)
    with chat.Client(running.url) as client:
        edit("broken")
        wait_until(lambda: "goes on" in running.errors)
        assert "src/name:1: error: this is broken" in running.errors
        assert "components.guest.build" in running.errors
        assert answer(client) == '{"action":"fly"}'
        edit(str(guests("chat_default")))
        wait_until(lambda: "`fly`" in answer(client))


def test_a_component_that_asks_for_what_it_is_not_granted_is_refused(serve, edited, guests):
    folder, edit = edited
    running = serve("--memory", app=folder)
    with chat.Client(running.url) as client:
        edit(str(guests("chat_chat")))
        wait_until(lambda: "goes on" in running.errors)
        assert "grants" in running.errors
        assert answer(client) == '{"action":"fly"}'


def test_a_release_that_would_not_load_is_refused(serve, edited, guests):
    folder, _ = edited
    running = serve("--memory", app=folder)
    with chat.Client(running.url) as client:
        # Linking says so, not the manifest: the component's memory begins with more.
        (folder / "tidegate.toml").write_text(MANIFEST + 'limits = { memory = "1MiB" }\n')
        wait_until(lambda: "goes on" in running.errors)
        assert "memory" in running.errors
        assert answer(client) == '{"action":"fly"}'


def test_a_manifest_that_is_mended_is_followed_again(serve, edited, guests):
    folder, edit = edited
    running = serve("--memory", app=folder)
    manifest = folder / "tidegate.toml"
    for broken, said in (("[app", "tidegate.toml:"), (MANIFEST.replace("src/**", "src/[**"), "is no pattern of files")):
        told = running.errors.count("goes on")
        manifest.write_text(broken)
        wait_until(lambda: running.errors.count("goes on") > told)  # noqa: B023
        assert said in running.errors
    manifest.write_text(MANIFEST.replace("src/**", "./src/**"))
    edit(str(guests("chat_default")))
    with chat.Client(running.url) as client:
        wait_until(lambda: "`fly`" in answer(client))


def test_a_component_that_is_built_elsewhere_is_followed(serve, tmp_path, guests):
    folder = tmp_path / "app"
    folder.mkdir()
    manifest = MANIFEST.replace('"guest.wasm"', '"./guest.wasm"')
    lines = [line for line in manifest.splitlines() if not line.startswith(("build", "watch"))]
    (folder / "tidegate.toml").write_text("\n".join(lines))
    shutil.copy(guests("chat_echo"), folder / "guest.wasm")
    running = serve("--memory", app=folder)
    with chat.Client(running.url) as client:
        assert answer(client) == '{"action":"fly"}'
        shutil.copy(guests("chat_default"), folder / "new.wasm")
        (folder / "new.wasm").replace(folder / "guest.wasm")
        wait_until(lambda: "`fly`" in answer(client))


def test_a_change_of_the_routing_needs_a_new_start_and_says_so(serve, edited, guests):
    folder, _ = edited
    running = serve("--memory", app=folder)
    manifest = folder / "tidegate.toml"
    manifest.write_text(MANIFEST + '\n[routes.fly]\ncomponent = "guest"\n')
    wait_until(lambda: "goes on" in running.errors)
    assert "routes or their responses (`fly`) have changed" in running.errors
    assert "hint: start `tidegate dev` again" in running.errors
    with chat.Client(running.url) as client:
        assert answer(client) == '{"action":"fly"}'
        # Back to the routes that it serves, with a component's limits changed: another release.
        manifest.write_text(MANIFEST + 'limits = { time = "3s" }\n')
        wait_until(lambda: "has taken the place of" in running.errors)
        assert answer(client) == '{"action":"fly"}'


def test_messages_under_way_lose_nothing_while_releases_change(serve, edited, guests):
    folder, edit = edited
    running = serve("--memory", app=folder)
    sources = [str(guests("chat_default")), str(guests("chat_echo"))]
    with chat.Client(running.url) as client:
        sent = 0
        for number in range(6):
            edit(sources[number % 2])
            while running.errors.count("has taken the place of") <= number:
                client.socket.send(json.dumps({"action": "fly", "number": sent}))
                # One reply for each message, whichever release answered.
                assert "fly" in client.socket.recv(timeout=chat.PATIENCE)
                sent += 1
        assert sent > 6


def test_a_configuration_value_that_is_edited_is_the_next_events(serve, tmp_path, guests):
    (tmp_path / "tidegate.toml").write_text(GREETING)
    shutil.copy(guests("chat_connect"), tmp_path / "connect.wasm")
    running = serve("--memory", app=tmp_path)

    def motd():
        with chat.Client(running.url) as client:
            return client.receive(type="welcome")["motd"]

    assert motd() == "of the manifest"
    (tmp_path / ".env").write_text('MOTD="of the file"\n')
    wait_until(lambda: motd() == "of the file")
    (tmp_path / ".env").unlink()
    wait_until(lambda: motd() == "of the manifest")
