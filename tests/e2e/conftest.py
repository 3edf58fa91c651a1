"""What the scenarios share: the program, the chat application, and servers that do not outlive their test."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import chat
import releases
import server
from releases import Client, Versions
from server import Api, Backend, Server

REPOSITORY = Path(__file__).resolve().parents[2]
CHAT_APP = REPOSITORY / "guest" / "examples" / "chat"
BUILD_SECONDS = 900


@pytest.fixture(scope="session", params=server.BACKENDS, ids=lambda backend: backend.name)
def backend(request: pytest.FixtureRequest) -> Backend:
    """How the host runs behind the gateway."""
    return request.param


@pytest.fixture(scope="session")
def tidegate() -> Path:
    """The command line under test: `TIDEGATE_BIN`, or what `cargo build -p tidegate-cli` leaves. The function's bootstrap
    lies beside it."""
    path = Path(os.environ.get("TIDEGATE_BIN", REPOSITORY / "target" / "debug" / "tidegate"))
    for program in (path, path.with_name("bootstrap")):
        assert program.is_file(), f"`{program}` is not there; `make test-e2e` builds it"
    return path


@pytest.fixture(scope="session")
def run(tidegate: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a subcommand to its end."""

    def run(*arguments: str | Path, seconds: int = 120) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [tidegate, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds,
            env=server.environment(),
        )

    return run


@pytest.fixture(scope="session")
def chat_app(run: Callable[..., subprocess.CompletedProcess[str]]) -> Path:
    """The chat application's folder, built."""
    done = run("build", CHAT_APP, seconds=BUILD_SECONDS)
    assert done.returncode == 0, done.stderr
    return CHAT_APP


@pytest.fixture(scope="session")
def guests(chat_app: Path) -> Callable[[str], Path]:
    """A component by its crate's name: a guest of `tests/guests`, or one of the chat's."""
    folder = REPOSITORY / "tests" / "guests"
    command = ["cargo", "build", "--locked", "--release", "--target", "wasm32-wasip2", "--target-dir", "target", "--workspace"]
    subprocess.run(command, cwd=folder, check=True, timeout=BUILD_SECONDS, stdin=subprocess.DEVNULL)

    def find(crate: str) -> Path:
        workspace = folder if crate.startswith("guest_") else chat_app.parents[1]
        return workspace / "target" / "wasm32-wasip2" / "release" / f"{crate}.wasm"

    return find


@pytest.fixture(scope="session")
def published(
    run: Callable[..., subprocess.CompletedProcess[str]], guests: Callable[[str], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Versions, dict[str, str]]:
    """The app of many versions, with releases that are published once, by the texts of their versions."""
    folder = tmp_path_factory.mktemp("versions")
    key = folder / "ci.pem"
    made = run("keys", "new", "ci", "--output", key)
    assert made.returncode == 0, made.stderr
    app = Versions(folder, guests("guest_version").read_bytes(), run, [key])
    app.describe(made.stdout)
    texts = [*map(releases.version, range(1, 5)), releases.broken(1), releases.broken(2)]
    ids = {text: app.create(text) for text in texts}
    app.build(releases.UNCHANGED)
    return app, ids


@pytest.fixture
def app(published: tuple[Versions, dict[str, str]], tmp_path: Path) -> Versions:
    """The app of many versions, in a folder of the test's own. Nothing is active."""
    folder = tmp_path / "app"
    shutil.copytree(published[0].folder, folder)
    return dataclasses.replace(published[0], folder=folder, keys=[folder / "ci.pem"])


@pytest.fixture
def ids(published: tuple[Versions, dict[str, str]]) -> dict[str, str]:
    """The ids of the releases that `app` has, by the texts of their versions."""
    return published[1]


@pytest.fixture
def follow(serve: Callable[..., Server], app: Versions) -> Callable[..., Server]:
    """Starts `tidegate dev --releases` on the app of many versions."""

    def follow(store: Path | None = None) -> Server:
        return serve("--memory", f"--releases={store}" if store else "--releases", app=app.folder)

    return follow


@pytest.fixture
def clients() -> Iterator[Callable[..., list[Client]]]:
    """Connects clients to the app of many versions; they are closed when the test ends."""
    with ExitStack() as opened:
        yield lambda running, count=1: [opened.enter_context(Client(running.url)) for _ in range(count)]


@pytest.fixture(scope="session")
def secret(chat_app: Path) -> str:
    """The secret that the chat application's authorizer checks tokens with."""
    return tomllib.loads((chat_app / "tidegate.toml").read_text())["config"]["jwt-secret"]


@pytest.fixture(scope="session")
def token(
    run: Callable[..., subprocess.CompletedProcess[str]], chat_app: Path
) -> Callable[[str], str]:
    """A token for a user, from `tidegate token`, which prints it alone."""

    def token(user: str) -> str:
        done = run("token", user, "--app", chat_app)
        assert done.returncode == 0, done.stderr
        assert len(done.stdout.split()) == 1, "standard output is the token alone"
        return done.stdout.strip()

    return token


@pytest.fixture
def serve(tidegate: Path, chat_app: Path, backend: Backend, tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts `tidegate dev`, as often as a test asks; what is still running at its end is killed."""
    started: list[Server] = []

    def serve(*arguments: str | Path, app: Path = chat_app, port: int = 0, **options: Any) -> Server:
        command = [tidegate, "dev", app, "--port", str(port), *backend.arguments, *arguments]
        one = server.start(command, tmp_path / f"errors-{len(started)}.txt", **options)
        started.append(one)
        return one

    yield serve
    for one in started:
        if one.process.poll() is None:
            one.kill()


@pytest.fixture(scope="module")
def chat_server(
    tidegate: Path, chat_app: Path, backend: Backend, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Api]:
    """A chat that a module's tests share; each test uses rooms and texts of its own."""
    command = [tidegate, "dev", chat_app, "--port", "0", "--memory", *backend.arguments]
    errors = tmp_path_factory.mktemp("chat") / "errors.txt"
    running = server.start(command, errors)
    yield running
    if running.process.poll() is None:
        running.kill()


@pytest.fixture
def join(chat_server: Api, token: Callable[[str], str]) -> Iterator[Callable[..., chat.Client]]:
    """Opens a client for a user on the shared chat; it is closed when the test ends."""
    opened: list[chat.Client] = []

    def join(user: str) -> chat.Client:
        client = chat.Client(chat_server.url, token(user))
        opened.append(client)
        return client

    yield join
    for client in opened:
        client.close()


@pytest.fixture(scope="session")
def wscat() -> list[str]:
    """The npm client `wscat`, with the Node.js of the virtual environment where there is one."""
    script = REPOSITORY / "tests" / "node_modules" / "wscat" / "bin" / "wscat"
    assert script.is_file(), "`wscat` is not installed; `make setup` installs it"
    node = shutil.which("node", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert node, "there is no `node`"
    return [node, str(script)]
