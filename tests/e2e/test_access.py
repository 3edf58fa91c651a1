"""Access to a running `tidegate dev`: by `Host`, by `Origin`, by keys, and by the secret of the Runtime API."""

import shlex
import socket
import stat
import subprocess
from pathlib import Path

import chat
import pytest
import server
from errors import assert_error

# The backend does not matter to the gateway.
in_process = pytest.mark.parametrize("backend", [server.IN_PROCESS], indirect=True, ids=["in-process"])
on_lambda = pytest.mark.parametrize("backend", [server.LAMBDA], indirect=True, ids=["lambda"])

UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
NEXT = "/2018-06-01/runtime/invocation/next"


def status_of(port, head):
    """Sends a request without a body and returns the status."""
    with socket.create_connection(("127.0.0.1", port), timeout=chat.TIMEOUT) as connection:
        connection.sendall(f"{head}\r\n".encode())
        with connection.makefile("rb") as answer:
            return int(answer.readline().split()[1])


def handshake(running, token, host, origin=None):
    headers = f"Host: {host}\r\n" + (f"Origin: {origin}\r\n" if origin is not None else "")
    return status_of(running.port, f"GET /dev?token={token} HTTP/1.1\r\n{headers}{UPGRADE}")


PROBE = """
[app]
name = "probe"
route-selection-expression = "$request.body.action"

[components.probe]
source = "probe.wasm"

[routes."$connect"]
component = "probe"
grants.storage = { notes = "read-write" }
grants.connections = { groups = ["lobby"] }
grants.messaging = { send = "self" }
grants.config = ["motd"]
"""


@pytest.fixture
def probe_app(guests, tmp_path):
    """An app in a folder of the test's own, so that no other test runs it."""
    folder = tmp_path / "probe"
    folder.mkdir()
    (folder / "tidegate.toml").write_text(PROBE)
    (folder / "probe.wasm").write_bytes(guests("guest_probe").read_bytes())
    return folder


def file_of(app, running):
    return app / ".tidegate" / "private" / f"dev-{running.process.pid}.json"


@in_process
def test_only_loopback_names_are_accepted_and_refusals_are_logged(serve, token):
    running, ann = serve("--memory"), token("ann")
    for host in ("localhost", f"localhost:{running.port}", "chat.localhost", f"127.0.0.1:{running.port}", "[::1]:3000"):
        assert handshake(running, ann, host) == 101, host
    for host in ("evil.example", f"evil.example:{running.port}", "0.0.0.0", "localhost."):
        assert handshake(running, ann, host) == 403, host
    for host in ("a@localhost", "[::1", ""):
        assert handshake(running, ann, host) == 400, host
    running.stop()
    assert "host-not-allowed" in running.errors and "evil.example" in running.errors


@in_process
def test_only_pages_of_loopback_origins_are_accepted_and_refusals_are_logged(serve, token):
    running, ann = serve("--memory"), token("ann")
    host = f"127.0.0.1:{running.port}"
    for origin in ("http://localhost:5173", "https://app.localhost", "http://127.0.0.1:1", "http://[::1]:5173"):
        assert handshake(running, ann, host, origin) == 101, origin
        call = f"GET /dev/@connections/x HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\n"
        assert status_of(running.port, call) == 403
    for origin in ("https://evil.example", "null", "file://", "", "http://localhost.evil.example"):
        assert handshake(running, ann, host, origin) == 403, origin
    running.stop()
    assert "origin-not-allowed" in running.errors and "https://evil.example" in running.errors


@in_process
def test_flags_accept_names_and_origins(serve, token):
    flags = ["--allow-host", "tide.example.com", "--allow-host", ".preview.example"]
    running, ann = serve("--memory", *flags, "--allow-origin", "https://tide.example.com"), token("ann")
    for host in ("tide.example.com", "a.preview.example:443", "localhost"):
        assert handshake(running, ann, host, "https://tide.example.com") == 101, host
    assert handshake(running, ann, "evil.example", "https://tide.example.com") == 403
    assert handshake(running, ann, "tide.example.com", "http://tide.example.com") == 403


@in_process
def test_listening_on_every_address_accepts_no_further_name(serve, token):
    running, ann = serve("--memory", "--host", "0.0.0.0"), token("ann")
    assert handshake(running, ann, f"127.0.0.1:{running.port}") == 101
    for host in ("192.0.2.7", f"0.0.0.0:{running.port}", socket.gethostname()):
        assert handshake(running, ann, host) == 403, host
    assert "--allow-host" in running.errors


def test_malformed_values_of_the_flags_are_refused(run, chat_app):
    wrong = [
        ("--allow-host", "example.com:80"), ("--allow-host", "*"), ("--allow-host", "http://example.com"),
        ("--allow-origin", "null"), ("--allow-origin", "*"), ("--allow-origin", "https://example.com/"),
    ]
    for flag, value in wrong:
        refused = run("dev", chat_app, "--memory", flag, value)
        assert refused.returncode == 2 and flag in refused.stderr, refused


@in_process
def test_environment_is_printed_for_shells_and_as_json(serve, run, chat_app, aws_environment, tidegate):
    running = serve("--memory")
    expected = aws_environment(running)
    assert expected["API_GATEWAY_URL"] == running.url.replace("ws://", "http://")
    command = f'eval "$({shlex.quote(str(tidegate))} env {shlex.quote(str(chat_app))} --port {running.port})"; env -0'
    done = subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, check=True, env={"PATH": "/usr/bin:/bin"}
    )
    shell = dict(line.partition("=")[::2] for line in done.stdout.split("\0") if line)
    assert expected.items() <= shell.items()


@in_process
def test_keys_are_in_a_private_file_while_the_process_runs(serve, run, chat_app, aws_environment):
    running = serve("--memory")
    file = file_of(chat_app, running)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    keys = aws_environment(running)
    assert keys["AWS_SECRET_ACCESS_KEY"] in file.read_text()
    other = aws_environment(serve("--memory"))
    assert other["AWS_SECRET_ACCESS_KEY"] != keys["AWS_SECRET_ACCESS_KEY"]
    running.stop()
    assert not file.exists()
    refused = run("env", chat_app, "--port", str(running.port), "--json")
    assert_error(refused, "dev-not-running", running.port, hint="tidegate dev")


@in_process
def test_keys_of_a_killed_process_are_not_printed(serve, run, probe_app):
    running = serve("--memory", app=probe_app)
    running.kill()
    assert file_of(probe_app, running).exists()
    assert_error(run("env", probe_app), "dev-not-running")
    serve("--memory", app=probe_app)
    assert not file_of(probe_app, running).exists()


@in_process
def test_one_of_several_processes_is_chosen_by_its_port(serve, run, probe_app):
    first = serve("--memory", app=probe_app)
    assert f":{first.port}/" in run("env", probe_app).stdout
    second = serve("--memory", app=probe_app)
    assert_error(run("env", probe_app), "dev-runs-several", first.port, second.port, hint="--port")
    assert f":{second.port}/" in run("env", probe_app, "--port", str(second.port)).stdout


@pytest.mark.parametrize("backend", [server.IN_PROCESS, server.LAMBDA], indirect=True, ids=lambda backend: backend.name)
def test_keys_are_never_logged(serve, token, chat_app, aws_environment, monkeypatch):
    monkeypatch.setenv("TIDEGATE_LOG", "trace")
    running = serve("--memory")
    keys = aws_environment(running)
    with chat.Client(running.url, token("ann")) as ann:
        ann.say(chat.unique("hello"))
        secrets = [keys["AWS_SECRET_ACCESS_KEY"], *secrets_of_functions(running)]
    running.stop()
    output = running.errors + "".join(running.lines)
    assert len(output) > 1_000
    for secret in secrets:
        assert secret not in output


def environments_of_functions(running):
    """Returns the environment of each process of the functions."""
    for process in running.bootstraps():
        text = Path(f"/proc/{process}/environ").read_text()
        yield dict(line.partition("=")[::2] for line in text.split("\0") if line)


def runtime_api_of(environment):
    """Returns the address and the secret of a process's Runtime API."""
    address, _, secret = environment["AWS_LAMBDA_RUNTIME_API"].removeprefix("http://").partition("/")
    return address, secret


def secrets_of_functions(running):
    for environment in environments_of_functions(running):
        yield runtime_api_of(environment)[1]
        yield environment["AWS_SECRET_ACCESS_KEY"]
        yield environment["AWS_SESSION_TOKEN"]


@on_lambda
def test_other_programs_cannot_take_or_answer_events(serve, token):
    running = serve("--memory")
    with chat.Client(running.url, token("ann")) as ann:
        ann.receive(type="welcome")
        environments = list(environments_of_functions(running))
        assert len(environments) == 2, "the authorizer and the handler"
        endpoints = [runtime_api_of(environment) for environment in environments]
        for (address, secret), (_, other) in zip(endpoints, reversed(endpoints), strict=True):
            assert len(secret) == 64 and secret != other
            port = int(address.partition(":")[2])
            heads = [
                f"GET {NEXT} HTTP/1.1\r\nHost: {address}\r\n",
                f"GET /{other}{NEXT} HTTP/1.1\r\nHost: {address}\r\n",
                f"GET /{secret}{NEXT} HTTP/1.1\r\nHost: evil.example\r\n",
                f"GET /{secret}{NEXT} HTTP/1.1\r\nHost: {address}\r\nOrigin: http://{address}\r\n",
                f"POST /2018-06-01/runtime/init/error HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\n",
            ]
            for head in heads:
                assert status_of(port, head) == 403, head
        # Nobody has taken the events.
        ann.say(chat.unique("still here"))


@on_lambda
def test_other_programs_cannot_use_the_services_of_functions(serve, token):
    running = serve("--memory")
    with chat.Client(running.url, token("ann")) as ann:
        ann.receive(type="welcome")
        for environment in environments_of_functions(running):
            address = environment["AWS_ENDPOINT_URL"].removeprefix("http://")
            port = int(address.partition(":")[2])
            target = "X-Amz-Target: AmazonSSM.GetParameters\r\n"
            scope = f"Credential={environment['AWS_ACCESS_KEY_ID']}/20260101/us-east-1/ssm/aws4_request"
            forged = f"Authorization: AWS4-HMAC-SHA256 {scope}, SignedHeaders=host;x-amz-date, Signature=0\r\n"
            token_header = f"X-Amz-Security-Token: {environment['AWS_SESSION_TOKEN']}\r\n"
            dated = "X-Amz-Date: 20260101T000000Z\r\n"
            head = f"POST / HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\n{target}"
            assert status_of(port, head) == 400
            assert status_of(port, head + forged + token_header + dated) == 400
            assert status_of(port, head.replace(address, "evil.example")) == 403


def test_secrets_of_tokens_are_made_for_each_checkout(run, chat_app, tmp_path):
    copies = [tmp_path / name for name in ("one", "two")]
    tokens = {}
    for copy in copies:
        copy.mkdir()
        (copy / "tidegate.toml").write_text((chat_app / "tidegate.toml").read_text())
        for _ in range(2):
            done = run("token", "ann", "--app", copy)
            assert done.returncode == 0, done.stderr
        file = copy / ".tidegate" / "private" / "jwt-secret"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        tokens[copy] = file.read_text()
    assert len(set(tokens.values())) == 2
    assert subprocess.run(
        ["git", "check-ignore", "--quiet", chat_app / ".tidegate" / "private" / "jwt-secret"], cwd=chat_app
    ).returncode == 0
