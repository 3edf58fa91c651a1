"""The peers of the swap benchmark. Each starts on a free port of 127.0.0.1 and is stopped by its process id.

All versions of a peer are one program in which one text is overwritten, so they differ in their replies alone.
"""

from __future__ import annotations

import dataclasses
import io
import random
import shutil
import subprocess
import sys
import tempfile
import zipfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol, Self

from servers import HERE, Tidegate, Workerd

# The tests' own modules: an app with many versions, and MiniStack.
sys.path += [str(HERE.parent / "e2e"), str(HERE.parent / "aws")]

from emulator import Emulator, free_port, running
from releases import VersionedApp, overwritten, version

COMMAND_SECONDS = 120
# Seconds for the work after a swap: the old release is freed, a process is stopped.
REST = 0.2
# Seconds after which a host on Lambda reads the pointer again.
STALENESS = 2.0


class Peer(Protocol):
    """A server whose version can be swapped."""

    name: str
    url: str
    # The file whose replacement makes hosts swap, if the peer has one.
    pointer: Path | None

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def swap(self, text: str) -> None:
        """Deploys the version with this text. Its first reply may come before this returns, or after."""
        ...

    def rest(self) -> float:
        """Returns the seconds to wait before the next swap."""
        ...


class Released(Tidegate):
    """`tidegate dev --releases`, swapped by `tidegate release activate`, a separate process."""

    def __init__(self, binary: Path, name: str, app: VersionedApp, ids: dict[str, str], *arguments: str | Path) -> None:
        super().__init__(binary)
        self.name, self.app, self.ids, self.arguments = name, app, ids, arguments
        self.pointer: Path | None = app.pointer

    def command(self) -> list[str]:
        options = ["--port", "0", "--memory", *map(str, self.arguments), "--releases"]
        return [str(self.binary), "dev", str(self.app.folder), *options]

    def swap(self, text: str) -> None:
        done = self.app.run_release("activate", self.ids[text])
        if done.returncode:
            raise SystemExit(f"{self.name}: {done.stderr.strip()}")

    def rest(self) -> float:
        # On Lambda, an event reads the pointer if the last reading is too old. Change it at a random time before that.
        return REST + (random.uniform(0, STALENESS) if self.arguments else 0)


class MiniStack:
    """A native function behind a WebSocket API of MiniStack, swapped by `update-function-code`."""

    name = "MiniStack"
    pointer = None

    def __init__(self, program: Path, texts: list[str]) -> None:
        self.packages = {text: package(overwritten(program.read_bytes(), text)) for text in texts}
        self.url = ""

    def __enter__(self) -> Self:
        with ExitStack() as started:
            folder = started.enter_context(tempfile.TemporaryDirectory())
            emulator = started.enter_context(running(Path(folder)))
            self.functions = emulator.client("lambda")
            self.url = self.deploy(emulator)
            self.started = started.pop_all()
        return self

    def deploy(self, emulator: Emulator) -> str:
        created = self.functions.create_function(
            FunctionName="version",
            Runtime="provided.al2023",
            Handler="bootstrap",
            Role="arn:aws:iam::000000000000:role/version",
            Code={"ZipFile": next(iter(self.packages.values()))},
            MemorySize=512,
            Timeout=29,
        )
        apis: Any = emulator.client("apigatewayv2")
        made = apis.create_api(
            Name="version", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action"
        )
        api = made["ApiId"]
        made = apis.create_integration(
            ApiId=api,
            IntegrationType="AWS_PROXY",
            IntegrationUri=(
                f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{created['FunctionArn']}/invocations"
            ),
        )
        route = apis.create_route(
            ApiId=api,
            RouteKey="$default",
            Target=f"integrations/{made['IntegrationId']}",
            RouteResponseSelectionExpression="$default",
        )
        apis.create_route_response(ApiId=api, RouteId=route["RouteId"], RouteResponseKey="$default")
        apis.create_stage(ApiId=api, StageName="bench", AutoDeploy=True)
        return emulator.web_socket_url(api, "bench")

    def __exit__(self, *_: object) -> None:
        self.started.close()

    def swap(self, text: str) -> None:
        self.functions.update_function_code(FunctionName="version", ZipFile=self.packages[text])

    def rest(self) -> float:
        return REST


class Reloading(Workerd):
    """`workerd serve --watch`, swapped by writing its worker."""

    pointer = None

    def __init__(self) -> None:
        super().__init__()
        # workerd restarts itself on a swap, and would choose another port.
        self.address = f"127.0.0.1:{free_port()}"
        self.source = (HERE / "workerd" / "version.js").read_bytes()

    def __enter__(self) -> Self:
        with ExitStack() as started:
            self.folder = Path(started.enter_context(tempfile.TemporaryDirectory()))
            shutil.copy(HERE / "workerd" / "config.capnp", self.folder)
            self.swap(version(0))
            super().__enter__()
            self.started = started.pop_all()
        return self

    def __exit__(self, *ended: object) -> None:
        super().__exit__(*ended)
        self.started.close()

    def directory(self) -> Path:
        return self.folder

    def command(self) -> list[str]:
        return [*super().command(), "--watch"]

    def swap(self, text: str) -> None:
        (self.folder / "worker.js").write_bytes(overwritten(self.source, text))

    def rest(self) -> float:
        return REST


def package(program: bytes) -> bytes:
    """Makes a function's package that contains this program alone."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr, entry.compress_type = 0o100755 << 16, zipfile.ZIP_DEFLATED
        archive.writestr(entry, program)
    return written.getvalue()


def published(binary: Path, component: Path, folder: Path, texts: list[str]) -> tuple[VersionedApp, dict[str, str]]:
    """Makes an app with a signed release for each text, in a new folder. Returns it with the releases' ids."""

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [binary, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=COMMAND_SECONDS
        )

    folder.mkdir()
    key = folder / "bench.pem"
    made = run("keys", "new", "bench", "--output", key)
    if made.returncode:
        raise SystemExit(f"cannot make a key: {made.stderr.strip()}")
    app = VersionedApp(folder, component.read_bytes(), run, [key])
    app.write_manifest(made.stdout)
    return app, {text: app.create(text) for text in texts}


def copied(app: VersionedApp, folder: Path) -> VersionedApp:
    """Copies an app and its releases to a new folder."""
    shutil.copytree(app.folder, folder)
    return dataclasses.replace(app, folder=folder)
