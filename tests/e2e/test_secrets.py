"""Secrets in every place in which a user can put one, right or wrong: nothing that is printed has them.

`planted` scans the output of the whole suite at its end. These tests put secrets where no other test does.
"""

import base64
import json
import re
import subprocess
import sys
import urllib.error
import urllib.request

import chat
import planted
import pytest
import releases
import server
import signing
import tokens
from errors import assert_error
from manifests import ECHO
from websockets.exceptions import InvalidStatus

TRACE = {"TIDEGATE_LOG": "trace", "RUST_BACKTRACE": "1"}
BUILT = re.compile(r"^(build|watch) = .*\n", re.MULTILINE)


def test_scan_finds_secrets_in_every_form():
    for form in planted.variants("planted-secret-0123456789"):
        collection = planted.Collection()
        secret = collection.plant("test", "planted-secret-0123456789")
        collection.record(["tidegate", secret], "nothing here")
        assert collection.hits() == []
        collection.record(["tidegate", secret], f"before {form} after")
        (hit,) = collection.hits()
        assert "test in the output" in hit and secret not in hit


def test_scan_covers_commands_and_servers(tmp_path, run, serve, token):
    shown = planted.Collection().plant("shown")
    script = f"import sys; print({shown!r}); print({shown[::-1]!r}, file=sys.stderr)"
    subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    with (tmp_path / "errors.txt").open("w") as errors:
        subprocess.run([sys.executable, "-c", script], stdout=subprocess.DEVNULL, stderr=errors, check=True)
    running = serve("--memory")
    running.stop()
    texts = [output.read() for output in planted.SUITE.outputs]
    assert sum(shown in text for text in texts) == 1
    assert sum(shown[::-1] in text for text in texts) == 2
    assert any(running.url in text for text in texts)
    # A private key that a command has made, and a token, are planted.
    assert run("keys", "new", "ci", "--output", tmp_path / "ci.pem").returncode == 0
    line = (tmp_path / "ci.pem").read_text().splitlines()[1]
    assert planted.SUITE.secrets[line] == "signing key"
    assert planted.SUITE.secrets[token("ann")] == "token"


def assert_unseen(*texts: str) -> None:
    collection = planted.Collection(secrets=planted.SUITE.secrets)
    for text in texts:
        collection.record("this test", text)
    assert collection.hits() == []


@pytest.fixture
def private_chat(chat_app, tmp_path):
    """A copy of the chat whose secrets are in `.env`."""
    folder = tmp_path / "chat"
    folder.mkdir()
    manifest = BUILT.sub("", (chat_app / "tidegate.toml").read_text())
    target = chat_app.parents[1] / "target"
    (folder / "tidegate.toml").write_text(manifest.replace("../../target", str(target)))
    secret = planted.SUITE.plant("value of .env")
    (folder / ".env").write_text(f"JWT_SECRET='{secret}'\nOTHER={planted.SUITE.plant('value of .env')}\n")
    return folder, secret


def test_nothing_is_logged_at_any_level(serve, private_chat, backend):
    folder, secret = private_chat
    running = serve("--memory", app=folder, env=TRACE)
    good = planted.SUITE.plant("token", tokens.make(secret))
    bad = planted.SUITE.plant("token", tokens.make("another secret"))
    with chat.Client(running.url, good) as ann:
        ann.say(chat.unique("hello"))
        (folder / ".env").write_text((folder / ".env").read_text() + f"MORE='{planted.SUITE.plant('value of .env')}'\n")
        ann.say(chat.unique("hello again"))
    with chat.Client(f"{running.url}?token={good}"):
        pass
    for wrong in (bad, "planted-token-without-a-dot"):
        with pytest.raises(InvalidStatus):
            chat.Client(running.url, wrong)
    signature = planted.SUITE.plant("signature", "AWS4-HMAC-SHA256 Credential=AKIA/20261128/us-east-1/execute-api/"
                                                 "aws4_request, SignedHeaders=host, Signature=" + "5ec2e7" * 10)
    headers = {"Authorization": signature, "X-Amz-Security-Token": planted.SUITE.plant("session token"),
               "Cookie": planted.SUITE.plant("cookie")}
    address = f"{running.url.replace('ws://', 'http://')}/@connections/none"
    request = urllib.request.Request(address, b"x", headers, method="POST")
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(request, timeout=20)
    running.stop()
    assert "TRACE" in running.errors and "DEBUG" in running.errors
    assert_unseen(running.errors, "".join(running.lines))


@pytest.fixture
def key(run, tmp_path):
    path = tmp_path / "secret.pem"
    made = run("keys", "new", "ci", "--output", path)
    assert made.returncode == 0
    return path, made.stdout


def forms(pem: str) -> dict[str, str]:
    """Returns a private key in wrong forms."""
    line = pem.splitlines()[1]
    return {
        "one line": line,
        "base64": base64.b64encode(pem.encode()).decode(),
        "base64 with lines": base64.encodebytes(pem.encode()).decode(),
        "url base64": base64.urlsafe_b64encode(pem.encode()).decode().rstrip("="),
        "quotes": f'"{line}"',
        "quoted pem": f"'{pem}'",
        "mark": f"\ufeff{line}",
        "text before": f"my key {line}",
        "line before": f"# key\n{line}\n",
        "cut": pem[:70],
        "escaped": pem.replace("\n", "\\n"),
        "hex": base64.b64decode(line).hex(),
        "seed": base64.b64decode(line)[-32:].hex(),
        "path and key": f"/keys/ci\n{line}",
    }


@pytest.mark.parametrize("form", forms("\n" + "A" * 64))
def test_private_key_in_a_wrong_form_is_never_quoted(tidegate, key, guests, tmp_path, form):
    path, table = key
    (tmp_path / "tidegate.toml").write_text(ECHO + table)
    (tmp_path / "echo.wasm").write_bytes(guests("chat_echo").read_bytes())
    value = forms(path.read_text())[form]
    planted.SUITE.plant("signing key", base64.b64decode(path.read_text().splitlines()[1])[-32:].hex())
    planted.SUITE.plant("signing key", value.strip())
    environment = server.environment() | TRACE
    for arguments, more in [
        (["release", "create", tmp_path, "--key", value], {}),
        (["release", "create", tmp_path, "--json", f"--key={value}"], {}),
        (["release", "create", tmp_path], {"TIDEGATE_SIGNING_KEY": value}),
    ]:
        done = subprocess.run(
            [tidegate, *arguments], env=environment | more, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=60,
        )
        if done.returncode == 0:
            # A key in quotes, or with escaped line feeds, is still a key.
            assert form in {"quoted pem", "escaped"}
        else:
            assert_error(done, "key-invalid")
        assert_unseen(done.stdout, done.stderr)


def test_private_key_in_the_wrong_place_is_never_quoted(run, key, tmp_path):
    path, table = key
    pem = path.read_text()
    line = pem.splitlines()[1]
    for value in (pem, line, base64.b64encode(pem.encode()).decode()):
        planted.SUITE.plant("signing key", value)
        for arguments in (
            ["release", "create", value], ["release", "create", "--store", value], ["release", "show", value],
            ["keys", "new", value], [value], ["check", value], ["dev", value], ["release", "list", "--stage", value],
            ["release", "create", "--keys", value], ["token", "ann", "--app", value],
        ):
            done = run(*arguments)
            assert done.returncode != 0, arguments[:2]
            assert_unseen(done.stdout, done.stderr)
    for value in (line, pem, base64.b64encode(pem.encode()).decode()):
        public = re.search(r'public-key = "(.*)"', table).group(1)
        for written in (table.replace(f'"{public}"', json.dumps(value)), f"keys = {json.dumps(value)}",
                        f"[keys]\nci = {json.dumps(value)}", f"[keys.ci]\npublic-key = [{json.dumps(value)}]",
                        f"[keys.ci]\npublic-key = {json.dumps(value)[:-1]}"):
            manifest = f"{written}\n{ECHO}" if written.startswith("keys") else f"{ECHO}\n{written}"
            (tmp_path / "tidegate.toml").write_text(manifest)
            done = run("check", tmp_path)
            assert done.returncode == 1
            assert_unseen(done.stdout, done.stderr)


def test_configuration_values_of_a_wrong_type_are_never_quoted(run, tmp_path):
    number = planted.SUITE.plant("configuration value", "918273645546372819")
    for value in (number, f"[{number}]", f"{number}{number}", f"{number}.5", f"{{ a = {number} }}", f'"{number}'):
        (tmp_path / "tidegate.toml").write_text(f"{ECHO}\n[config]\njwt-secret = {value}\n")
        done = run("check", tmp_path)
        assert done.returncode == 1, value
        assert_unseen(done.stdout, done.stderr)


def test_invalid_env_file_is_never_quoted(run, tmp_path):
    secret = planted.SUITE.plant("value of .env")
    for text in (secret, f'A="{secret}', f"A='{secret}' {secret}", f"{secret} x=1", f"A=1\n{secret}"):
        (tmp_path / "tidegate.toml").write_text(ECHO)
        (tmp_path / ".env").write_text(text)
        done = run("token", "ann", "--app", tmp_path)
        assert_error(done, "config-file-invalid", ".env")
        assert_unseen(done.stdout, done.stderr)


def test_credentials_of_aws_are_never_logged(tidegate, tmp_path):
    (tmp_path / "tidegate.toml").write_text(ECHO)
    secrets = {
        "AWS_ACCESS_KEY_ID": "AKIAPLANTEDPLANTED00",
        "AWS_SECRET_ACCESS_KEY": planted.SUITE.plant("aws secret"),
        "AWS_SESSION_TOKEN": planted.SUITE.plant("aws session token"),
        # Nothing listens there.
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9", "AWS_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "1",
    }
    done = subprocess.run(
        [tidegate, "release", "status", "--stage", "dev", "--app", tmp_path], stdin=subprocess.DEVNULL,
        env=server.environment() | TRACE | secrets, capture_output=True, text=True, timeout=120,
    )
    assert done.returncode == 1
    assert "TRACE" in done.stderr
    assert_unseen(done.stdout, done.stderr)
