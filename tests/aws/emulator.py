"""MiniStack, an emulated AWS. It starts on a free port of 127.0.0.1 and is stopped by its process id.

README.md lists its limits and its departures from AWS.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3

REGION = "us-east-1"
# MiniStack's root credentials: they allow every action, even if MiniStack enforces policies.
ROOT_KEY = "test"
START_SECONDS = 60
# MiniStack waits for open sockets when it stops. No test needs its state after that.
STOP_SECONDS = 2

# MiniStack's Runtime API responds in two writes. With Nagle's algorithm, each event would wait 40 ms for an
# acknowledgement.
LAUNCH = """
import socketserver
socketserver.StreamRequestHandler.disable_nagle_algorithm = True
from ministack.app import main
main()
"""


@dataclass(frozen=True)
class Emulator:
    """A running MiniStack."""

    process: subprocess.Popen
    port: int
    log: Path

    @property
    def endpoint(self) -> str:
        """URL of its APIs."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def callback_url(self) -> str:
        """URL of `@connections`, as the value of `-c callback-url=`."""
        return f"{self.endpoint}/_aws/execute-api/{{api}}/{{stage}}"

    def web_socket_url(self, api: str, stage: str) -> str:
        """Returns the URL that clients of an API connect to."""
        return f"ws://127.0.0.1:{self.port}/_aws/execute-api/{api}/{stage}"

    def client(self, service: str, **options):
        """Returns an AWS client with root credentials."""
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=self.endpoint,
            aws_access_key_id=ROOT_KEY,
            aws_secret_access_key=ROOT_KEY,
            **options,
        )


@contextlib.contextmanager
def running(directory: Path, *, enforce_policies: bool = False) -> Iterator[Emulator]:
    """Runs MiniStack with its files in `directory`. With `enforce_policies`, it enforces execution roles."""
    port = free_port()
    log = directory / "ministack.log"
    directory.joinpath("tmp").mkdir()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", LAUNCH],
            env=environment(port, directory / "tmp", enforce_policies),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Its functions are child processes, and end with its process group.
            start_new_session=True,
        )
    try:
        wait_until_ready(process, port, log)
        yield Emulator(process, port, log)
    finally:
        stop(process)


def environment(port: int, temporary: Path, enforce_policies: bool) -> dict[str, str]:
    """Returns the environment of MiniStack and its functions, without the caller's AWS variables."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TIDEGATE_"))}
    return kept | {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": ROOT_KEY,
        "AWS_SECRET_ACCESS_KEY": ROOT_KEY,
        "MINISTACK_REGION": REGION,
        "AUTH": "true" if enforce_policies else "false",
        "TMPDIR": str(temporary),
        "PYTHONUNBUFFERED": "1",
    }


def free_port() -> int:
    """Returns a free port. MiniStack accepts neither a socket nor port 0."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_ready(process: subprocess.Popen, port: int, log: Path) -> None:
    """Waits until the health page responds."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/_ministack/health", timeout=1):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            # MiniStack does not announce that it listens, so ask again.
            time.sleep(0.05)
    raise RuntimeError(f"MiniStack did not start\n{log.read_text(errors='replace')}")


def stop(process: subprocess.Popen) -> None:
    """Terminates MiniStack, then kills its process group with the functions."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
