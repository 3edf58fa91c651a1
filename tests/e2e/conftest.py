"""Fixtures of the end-to-end tests: the program, the chat application, its releases, and running servers."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import chat
import once
import planted
import releases
import server
from releases import Client, VersionedApp
from server import Api, Backend, Server

REPOSITORY = Path(__file__).resolve().parents[2]
CHAT_APP = REPOSITORY / "guest" / "examples" / "chat"
BUILD_SECONDS = 900

Run = Callable[..., subprocess.CompletedProcess[str]]

# Every process of the suite is recorded, `subprocess.run` included.
subprocess.Popen = planted.Recorded  # type: ignore[misc]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keeps the tests that share a chat server on one worker of pytest-xdist, so that the server starts once."""
    for item in items:
        callspec = getattr(item, "callspec", None)
        if callspec and "chat_server" in item.fixturenames:
            item.add_marker(pytest.mark.xdist_group(f"chat-{callspec.params['backend'].name}"))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Prints the figures that tests recorded. The output of a worker itself is not shown."""
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for name, value in report.user_properties:
            if name == "figures" and report.when == "call":
                terminalreporter.write_line(f"{report.nodeid}\n{value}")


@pytest.fixture(scope="session", autouse=True)
def no_secret_is_printed() -> Iterator[None]:
    """Fails the last test of a worker if a process has printed a planted secret."""
    yield
    assert planted.SUITE.hits() == []


@pytest.fixture(scope="session", params=server.BACKENDS, ids=lambda backend: backend.name)
def backend(request: pytest.FixtureRequest) -> Backend:
    """The way in which the host runs behind the gateway."""
    return request.param


@pytest.fixture(scope="session")
def tidegate() -> Path:
    """The command line under test: `TIDEGATE_BIN`, or the build of `cargo build -p tidegate-cli`. The function's
    bootstrap is in the same folder."""
    path = Path(os.environ.get("TIDEGATE_BIN", REPOSITORY / "target" / "debug" / "tidegate"))
    for program in (path, path.with_name("bootstrap")):
        assert program.is_file(), f"cannot find `{program}`; hint: `make test-e2e` builds it"
    return path


@pytest.fixture(scope="session")
def run(tidegate: Path) -> Run:
    """Runs a subcommand and waits for its exit."""

    def run(*arguments: str | Path, seconds: int = 120) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [tidegate, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds,
            env=server.environment(),
        )

    return run


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> once.Shared:
    """Work that is done once in a test run, whichever worker needs it first."""
    folder = tmp_path_factory.getbasetemp()
    return once.Shared(folder if worker_id == "master" else folder.parent)


@pytest.fixture(scope="session")
def chat_app(run: Run, shared: once.Shared) -> Path:
    """Folder of the chat application, built."""

    def build(_folder: Path) -> None:
        built = run("build", CHAT_APP, seconds=BUILD_SECONDS)
        assert built.returncode == 0, built.stderr

    shared.once("chat", build)
    return CHAT_APP


@pytest.fixture(scope="session")
def guests(chat_app: Path, shared: once.Shared) -> Callable[[str], Path]:
    """Finds a component by its crate's name: a guest of `tests/guests`, or a component of the chat."""
    workspace = REPOSITORY / "tests" / "guests"

    def build(_folder: Path) -> None:
        command = ["cargo", "build", "--locked", "--release", "--target", "wasm32-wasip2", "--target-dir", "target"]
        subprocess.run(
            [*command, "--workspace"], cwd=workspace, check=True, timeout=BUILD_SECONDS, stdin=subprocess.DEVNULL
        )

    shared.once("guests", build)

    def find(crate: str) -> Path:
        root = workspace if crate.startswith("guest_") else chat_app.parents[1]
        return root / "target" / "wasm32-wasip2" / "release" / f"{crate}.wasm"

    return find


@pytest.fixture(scope="session")
def published(run: Run, guests: Callable[[str], Path], shared: once.Shared) -> tuple[VersionedApp, dict[str, str]]:
    """The app with many versions, its published releases, and their ids by version text."""

    def app_in(folder: Path) -> VersionedApp:
        return VersionedApp(folder, guests("guest_version").read_bytes(), run, [folder / "ci.pem"])

    def publish(folder: Path) -> dict[str, str]:
        made = run("keys", "new", "ci", "--output", folder / "ci.pem")
        assert made.returncode == 0, made.stderr
        app = app_in(folder)
        app.write_manifest(made.stdout)
        texts = [*map(releases.version, range(1, 5)), releases.broken(1), releases.broken(2)]
        ids = {text: app.create(text) for text in texts}
        app.set_version(releases.UNCHANGED)
        return ids

    folder, ids = shared.once("versions", publish)
    return app_in(folder), ids


@pytest.fixture
def app(published: tuple[VersionedApp, dict[str, str]], tmp_path: Path) -> VersionedApp:
    """The app with many versions, in a folder of the test's own. No release is active."""
    folder = tmp_path / "app"
    shutil.copytree(published[0].folder, folder)
    return dataclasses.replace(published[0], folder=folder, keys=[folder / "ci.pem"])


@pytest.fixture
def ids(published: tuple[VersionedApp, dict[str, str]]) -> dict[str, str]:
    """Ids of the releases of `app`, by version text."""
    return published[1]


@pytest.fixture
def follow(
    serve: Callable[..., Server], app: VersionedApp, backend: Backend, tidegate: Path, tmp_path: Path
) -> Callable[..., Server]:
    """Starts `tidegate dev --releases` on the app with many versions.

    On Lambda, hosts read the pointer again after `MAX_STALENESS`, which is less than the default of two seconds, so
    that tests wait less. `max_staleness=None` keeps the default.
    """

    def follow(store: Path | None = None, max_staleness: float | None = server.MAX_STALENESS) -> Server:
        arguments: list[str | Path] = ["--memory", f"--releases={store}" if store else "--releases"]
        if max_staleness and backend != server.IN_PROCESS:
            bootstrap = tmp_path / "bootstrap-with-max-staleness"
            bootstrap.write_text(server.bootstrap_script(tidegate.with_name("bootstrap"), max_staleness))
            bootstrap.chmod(0o755)
            arguments += ["--bootstrap", bootstrap]
        return serve(*arguments, app=app.folder)

    return follow


@pytest.fixture
def clients() -> Iterator[Callable[..., list[Client]]]:
    """Connects clients to the app with many versions, and closes them after the test."""
    with ExitStack() as opened:
        yield lambda running, count=1: [opened.enter_context(Client(running.url)) for _ in range(count)]


@pytest.fixture(scope="session")
def secret(token: Callable[[str], str], chat_app: Path) -> str:
    """The secret of the chat application's tokens, which the first token of a checkout makes."""
    token("anybody")
    secret = (chat_app / ".tidegate" / "private" / "jwt-secret").read_text()
    return planted.SUITE.plant("secret of development tokens", secret)


@pytest.fixture(scope="session")
def token(run: Run, chat_app: Path) -> Callable[[str], str]:
    """Makes a token for a user with `tidegate token`."""

    def token(user: str) -> str:
        done = run("token", user, "--app", chat_app)
        assert done.returncode == 0, done.stderr
        assert len(done.stdout.split()) == 1, "standard output is the token alone"
        return planted.SUITE.plant("token", done.stdout.strip())

    return token


@pytest.fixture
def serve(tidegate: Path, chat_app: Path, backend: Backend, tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts `tidegate dev`, any number of times. Servers that are still running after the test are killed."""
    started: list[Server] = []

    def serve(*arguments: str | Path, app: Path = chat_app, port: int = 0, **options: Any) -> Server:
        command = [tidegate, "dev", app, "--port", str(port), *backend.arguments, *arguments]
        running = server.start(command, tmp_path / f"errors-{len(started)}.txt", **options)
        started.append(running)
        return running

    yield serve
    for running in started:
        if running.process.poll() is None:
            running.kill()


@pytest.fixture(scope="session")
def chat_server(
    tidegate: Path, chat_app: Path, backend: Backend, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Api]:
    """A chat server that many tests share. Each test uses rooms and texts of its own."""
    command = [tidegate, "dev", chat_app, "--port", "0", "--memory", *backend.arguments]
    errors = tmp_path_factory.mktemp("chat") / "errors.txt"
    running = server.start(command, errors)
    yield running
    if running.process.poll() is None:
        running.kill()


@pytest.fixture(scope="session")
def aws_environment(run: Run, chat_app: Path) -> Callable[..., dict[str, str]]:
    """Returns what `tidegate env` prints for a running server."""

    def aws_environment(running: Server, app: Path = chat_app) -> dict[str, str]:
        printed = run("env", app, "--port", str(running.port), "--json")
        assert printed.returncode == 0, printed.stderr
        return json.loads(printed.stdout)

    return aws_environment


@pytest.fixture
def join(chat_server: Api, token: Callable[[str], str]) -> Iterator[Callable[..., chat.Client]]:
    """Connects a user to the shared chat server, and disconnects it after the test."""
    opened: list[chat.Client] = []

    def join(user: str) -> chat.Client:
        client = chat.Client(chat_server.url, token(user))
        opened.append(client)
        return client

    yield join
    for client in opened:
        client.close()


@pytest.fixture(scope="session")
def node() -> str:
    """Node.js: the virtual environment's if there is one."""
    node = shutil.which("node", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert node, "there is no `node`"
    return node


@pytest.fixture(scope="session")
def wscat(node: str) -> list[str]:
    """The command that starts npm's client `wscat`."""
    script = REPOSITORY / "tests" / "node_modules" / "wscat" / "bin" / "wscat"
    assert script.is_file(), "`wscat` is not installed; hint: `make setup` installs it"
    return [node, str(script)]


@pytest.fixture(scope="session")
def chromium() -> Path:
    """The browser. Its libraries are in a folder beside it."""
    path = REPOSITORY / "tests" / "node_modules" / ".chromium" / "chromium"
    assert path.is_file(), "the browser is not installed; hint: `make setup` installs it"
    return path
