"""An app that is edited while it runs: changes are swapped in, and sockets stay open."""

import json
import shutil

import chat
import logs
import pytest
from errors import check, parse_report
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
# A stand-in for a compiler: it fails on the source `broken`, and else copies the component that the source names.
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
    """An app with one component, and a function that changes its source."""
    folder = tmp_path / "app"
    (folder / "src").mkdir(parents=True)
    (folder / "tidegate.toml").write_text(MANIFEST)
    (folder / "build.sh").write_text(BUILD)

    def edit(source):
        (folder / "src" / "name").write_text(source)

    edit(str(guests("chat_echo")))
    return folder, edit


def reply(client):
    """Sends a text, and returns the reply: the same text from the echo, an error from the chat's `default`."""
    client.socket.send('{"action":"fly"}')
    return client.socket.recv(timeout=chat.TIMEOUT)


def test_edited_component_is_swapped_in_and_sockets_stay_open(serve, edited, guests):
    folder, edit = edited
    running = serve("--memory", app=folder)
    with chat.Client(running.url) as client:
        assert reply(client) == '{"action":"fly"}'
        edit(str(guests("chat_default")))
        wait_until(lambda: "`fly`" in reply(client))
        edit(str(guests("chat_echo")))
        wait_until(lambda: reply(client) == '{"action":"fly"}')
    wait_until(lambda: running.errors.count(logs.SWAPPED) == 2)
    assert running.stop() == 0
    assert not running.has_orphans()


def test_failed_build_is_shown_and_the_old_release_keeps_running(serve, edited, guests):
    folder, edit = edited
    running = serve("--memory", app=folder)
    with chat.Client(running.url) as client:
        edit("broken")
        wait_until(lambda: logs.KEPT in running.errors)
        assert "src/name:1: error: this is broken" in running.errors
        assert "error[build-command-failed]: " in running.errors
        assert "`guest`" in running.errors.partition("error[build-command-failed]: ")[2]
        assert reply(client) == '{"action":"fly"}'
        edit(str(guests("chat_default")))
        wait_until(lambda: "`fly`" in reply(client))


def test_edited_component_with_an_ungranted_import_is_refused(serve, edited, guests):
    folder, edit = edited
    running = serve("--memory", app=folder)
    with chat.Client(running.url) as client:
        edit(str(guests("chat_chat")))
        wait_until(lambda: logs.KEPT in running.errors)
        assert "error[component-grant-missing]: " in running.errors
        assert reply(client) == '{"action":"fly"}'


def test_edited_manifest_with_too_small_a_memory_limit_is_refused(serve, edited, guests):
    folder, _ = edited
    running = serve("--memory", app=folder)
    with chat.Client(running.url) as client:
        # Linking detects this: the component's initial memory is larger than the limit.
        (folder / "tidegate.toml").write_text(MANIFEST + 'limits = { memory = "1MiB" }\n')
        wait_until(lambda: logs.KEPT in running.errors)
        assert "error[component-memory-above-limit]: " in running.errors
        assert reply(client) == '{"action":"fly"}'


def test_repaired_manifest_is_followed_again(serve, edited, guests):
    folder, edit = edited
    running = serve("--memory", app=folder)
    manifest = folder / "tidegate.toml"
    invalid_pattern = MANIFEST.replace("src/**", "src/[**")
    for broken, code in (("[app", "manifest-syntax"), (invalid_pattern, "watch-pattern-invalid")):
        before = running.errors.count(logs.KEPT)
        manifest.write_text(broken)
        wait_until(lambda: running.errors.count(logs.KEPT) > before)  # noqa: B023
        assert f"error[{code}]: " in running.errors
    manifest.write_text(MANIFEST.replace("src/**", "./src/**"))
    edit(str(guests("chat_default")))
    with chat.Client(running.url) as client:
        wait_until(lambda: "`fly`" in reply(client))


def test_component_without_a_build_command_is_watched(serve, tmp_path, guests):
    folder = tmp_path / "app"
    folder.mkdir()
    manifest = MANIFEST.replace('"guest.wasm"', '"./guest.wasm"')
    lines = [line for line in manifest.splitlines() if not line.startswith(("build", "watch"))]
    (folder / "tidegate.toml").write_text("\n".join(lines))
    shutil.copy(guests("chat_echo"), folder / "guest.wasm")
    running = serve("--memory", app=folder)
    with chat.Client(running.url) as client:
        assert reply(client) == '{"action":"fly"}'
        shutil.copy(guests("chat_default"), folder / "new.wasm")
        (folder / "new.wasm").replace(folder / "guest.wasm")
        wait_until(lambda: "`fly`" in reply(client))


def test_changed_routing_needs_a_restart(serve, edited, guests):
    folder, _ = edited
    running = serve("--memory", app=folder)
    manifest = folder / "tidegate.toml"
    manifest.write_text(MANIFEST + '\n[routes.fly]\ncomponent = "guest"\n')
    wait_until(lambda: logs.KEPT in running.errors)
    error = parse_report(running.errors.partition(logs.KEPT)[0])
    check(error, "routing-changed", "`fly`", hint="start `tidegate dev` again")
    with chat.Client(running.url) as client:
        assert reply(client) == '{"action":"fly"}'
        # The original routes with another limit are a release that can be swapped in.
        manifest.write_text(MANIFEST + 'limits = { time = "3s" }\n')
        wait_until(lambda: logs.SWAPPED in running.errors)
        assert reply(client) == '{"action":"fly"}'


def test_no_reply_is_lost_while_releases_change(serve, edited, guests):
    folder, edit = edited
    running = serve("--memory", app=folder)
    sources = [str(guests("chat_default")), str(guests("chat_echo"))]
    with chat.Client(running.url) as client:
        sent = 0
        for number in range(6):
            edit(sources[number % 2])
            while running.errors.count(logs.SWAPPED) <= number:
                client.socket.send(json.dumps({"action": "fly", "number": sent}))
                # Each message has one reply, from either release.
                assert "fly" in client.socket.recv(timeout=chat.TIMEOUT)
                sent += 1
        assert sent > 6


def test_edited_configuration_value_reaches_the_next_event(serve, tmp_path, guests):
    (tmp_path / "tidegate.toml").write_text(GREETING)
    shutil.copy(guests("chat_connect"), tmp_path / "connect.wasm")
    running = serve("--memory", app=tmp_path)

    def motd():
        with chat.Client(running.url) as client:
            return client.receive(type="welcome")["motd"]

    assert motd() == "of the manifest"
    (tmp_path / ".env").write_text('MOTD="of the file"\nmotD_=hidden\nMTOD=hidden\n')
    wait_until(lambda: motd() == "of the file")
    assert "warning: `MTOD` in `.env` has no effect" in running.errors
    assert "hint: did you mean `MOTD`?" in running.errors
    assert "hidden" not in running.errors
    (tmp_path / ".env").unlink()
    wait_until(lambda: motd() == "of the manifest")
