"""Events from files, sent to the packaged bootstrap by `cargo lambda invoke`."""

import contextlib
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import emulator
import pytest
from deployment import Deployment
from waiting import wait_until

CARGO_LAMBDA = Path(sys.executable).parent / "cargo-lambda"
HOST = Path(__file__).resolve().parents[2] / "host"
FIXTURES = HOST / "event" / "tests" / "fixtures"
# cargo-lambda finds functions by the binaries of the current workspace.
WORKSPACE = HOST / "lambda"
FUNCTION = "bootstrap"
SECONDS = 10


@pytest.fixture(scope="module")
def invoke(app, package, tmp_path_factory):
    """Sends the handler an event, and returns the JSON response."""
    folder = tmp_path_factory.mktemp("cargo-lambda")
    port = str(emulator.free_port())
    address = ["--invoke-address", "127.0.0.1", "--invoke-port", port]
    with running([CARGO_LAMBDA, "lambda", "watch", "--only-lambda-apis", *address], folder / "watch.log") as log:
        wait_until(lambda: "starting Runtime server" in log.read_text())
        with running([unpacked(package, folder)], folder / "bootstrap.log", environment(app, port)):

            def invoke(event: Path) -> dict:
                command = [CARGO_LAMBDA, "lambda", "invoke", FUNCTION, *address, "--data-file", event]
                done = subprocess.run(command, cwd=WORKSPACE, capture_output=True, text=True, timeout=SECONDS)
                assert done.returncode == 0, done.stderr
                return json.loads(done.stdout)

            yield invoke


@pytest.mark.parametrize("name", ["connect", "message", "disconnect-1005"])
def test_fixture_event_is_answered(invoke, name):
    assert invoke(FIXTURES / f"{name}.json")["statusCode"] == 200


def test_route_reply_is_returned(invoke, tmp_path):
    event = json.loads((FIXTURES / "message.json").read_text())
    event["requestContext"]["routeKey"] = "echo"
    event["body"] = '{"action":"echo"}'
    path = tmp_path / "echo.json"
    path.write_text(json.dumps(event))
    assert invoke(path)["body"] == event["body"]


def unpacked(package: Path, folder: Path) -> Path:
    """Unpacks a package, and returns its bootstrap."""
    with zipfile.ZipFile(package) as archive:
        archive.extractall(folder)
    bootstrap = folder / "bootstrap"
    bootstrap.chmod(0o755)
    return bootstrap


def environment(app: Deployment, port: str) -> dict[str, str]:
    """Returns the deployed handler's environment, with cargo-lambda's Runtime API."""
    function = app.resources[app.function("handler")]
    configuration = app.emulator.client("lambda").get_function_configuration(FunctionName=function)
    return configuration["Environment"]["Variables"] | {
        "AWS_LAMBDA_RUNTIME_API": f"http://127.0.0.1:{port}/.rt/{FUNCTION}",
        "AWS_LAMBDA_FUNCTION_NAME": FUNCTION,
        "AWS_LAMBDA_FUNCTION_VERSION": "1",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_REGION": emulator.REGION,
        "AWS_ACCESS_KEY_ID": emulator.ROOT_KEY,
        "AWS_SECRET_ACCESS_KEY": emulator.ROOT_KEY,
        "AWS_ENDPOINT_URL": app.emulator.endpoint,
    }


@contextlib.contextmanager
def running(command: list, log: Path, variables: dict[str, str] | None = None) -> Iterator[Path]:
    """Runs a program within the block, with its output in a file."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TIDEGATE_"))}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=WORKSPACE,
            env=variables or kept,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield log
    finally:
        process.kill()
        process.wait()
