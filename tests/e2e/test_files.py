"""Files that are not what they seem: named pipes, devices, links and large files. No command waits for one."""

import fcntl
import os
import signal
import stat
import subprocess

import pytest

import releases
import server
from errors import assert_error, parse_report
from logs import POINTER_UNREADABLE
from manifests import ECHO
from waiting import wait_until

SECONDS = 60


def plant(path, kind):
    """Puts something else in the place of a file."""
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "link":
        path.symlink_to("/etc/hostname")
    elif kind == "folder":
        path.mkdir()
    else:
        with path.open("wb") as file:
            file.truncate(1 << 40)


KINDS = ["pipe", "device", "link", "folder", "large"]


@pytest.fixture
def small(tmp_path, guests):
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "tidegate.toml").write_text(ECHO + '\n[config]\njwt-secret = "of the manifest"\n')
    (folder / "echo.wasm").write_bytes(guests("chat_echo").read_bytes())
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_manifest_component_and_env_file_are_regular_files_of_the_app(run, small, kind):
    for name, command, code in [
        (".env", ["token", "ann", "--app", small], "file-read"),
        ("echo.wasm", ["build", small], "file-read"),
        ("tidegate.toml", ["check", small], "file-read"),
    ]:
        plant(small / name, kind)
        assert_error(run(*command, seconds=SECONDS), code, small / name)


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "large"])
def test_event_and_key_are_regular_files(run, small, tmp_path, kind):
    path = tmp_path / "planted"
    plant(path, kind)
    event = run("invoke", "echo", "--app", small, "--event", path, seconds=SECONDS)
    assert_error(event, "file-read", path, hint="standard input")
    key = run("release", "create", small, "--key", path, seconds=SECONDS)
    code = "signing-key-readable" if kind == "large" else "signing-key-missing"
    error = parse_report(key.stderr)
    assert error.code in {code, "key-invalid"}, error
    assert key.returncode == 1


def test_links_inside_the_app_are_followed(run, small):
    (small / "echo.wasm").rename(small / "real.wasm")
    (small / "echo.wasm").symlink_to("real.wasm")
    assert run("build", small).returncode == 0


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_key_that_others_can_read_is_refused(run, small, tmp_path, mode):
    key = tmp_path / "ci.pem"
    assert run("keys", "new", "ci", "--output", key).returncode == 0
    key.chmod(mode)
    refused = run("release", "create", small, "--key", key)
    assert_error(refused, "signing-key-readable", key, hint=f"chmod 600 {key}")


def test_files_and_folders_of_an_app_are_private(run, small, tmp_path):
    key = tmp_path / "ci.pem"
    made = run("keys", "new", "ci", "--output", key)
    manifest = small / "tidegate.toml"
    manifest.write_text(manifest.read_text() + made.stdout)
    created = run("release", "create", small, "--key", key)
    assert created.returncode == 0, created.stderr
    state = small / ".tidegate"
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in [state, *state.rglob("*")]}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}


@pytest.mark.parametrize("kind", KINDS)
def test_host_goes_on_following_after_the_pointer_was_replaced(follow, app, ids, clients, backend, kind):
    first, second = ids[releases.version(1)], ids[releases.version(2)]
    app.release("activate", first)
    running = follow()
    (client,) = clients(running)
    wait_until(lambda: client.probe() == releases.version(1))
    kept = app.pointer.read_bytes()
    plant(app.pointer, kind)
    # A host on Lambda reads the pointer during an event.
    assert wait_until(lambda: client.probe() and POINTER_UNREADABLE in running.errors)
    # On Lambda, a process that starts now runs the release of its package.
    bundled = {releases.UNCHANGED} if backend != server.IN_PROCESS else set()
    assert client.probe() in {releases.version(1)} | bundled
    app.refuse("store-invalid", "status", names=["pointer.json"])
    app.pointer.rmdir() if kind == "folder" else app.pointer.unlink()
    app.pointer.write_bytes(kept)
    app.release("activate", second)
    assert wait_until(lambda: client.probe() == releases.version(2))


def test_env_file_expands_nothing(run, small):
    import tokens

    for written, value in [("$HOME", "$HOME"), ("a${PATH}b", "a${PATH}b"), ('"x$USER"', "x$USER"), ("`id`", "`id`")]:
        (small / ".env").write_text(f"JWT_SECRET={written}\n")
        printed = run("token", "ann", "--app", small).stdout.strip()
        signed, _, signature = printed.rpartition(".")
        assert signature == tokens.sign(signed, value)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_a_command_that_waits(tidegate, app, ids, number):
    with (app.store / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = subprocess.Popen(
            [tidegate, *app.arguments("activate", ids[releases.version(1)])], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=server.environment(),
        )
        # The command waits for the lock: it has opened the file.
        assert wait_until(lambda: waits_for(process.pid, app.store / "lock"))
        process.send_signal(number)
        process.communicate(timeout=20)
        assert process.returncode == 128 + number
    assert app.active() is None


def waits_for(pid, path):
    """Returns true if the process has the file open."""
    names = []
    for link in os.listdir(f"/proc/{pid}/fd"):
        try:
            names.append(os.readlink(f"/proc/{pid}/fd/{link}"))
        except FileNotFoundError:
            continue
    return str(path) in names
