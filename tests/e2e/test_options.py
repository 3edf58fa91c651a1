"""Options of the command line, and the files that it reads."""

import textwrap

import chat
import pytest
import tokens
from errors import assert_error
from websockets.exceptions import InvalidStatus

REFUSES = """
[app]
name = "refuses"
route-selection-expression = "$request.body.action"

[components.probe]
source = "{source}"

[routes."$connect"]
component = "probe"
"""


def test_stage_option_changes_the_path(serve, token):
    running = serve("--memory", "--stage", "prod")
    assert running.url.endswith("/prod")
    with chat.Client(running.url, token("ann")) as ann:
        ann.say(chat.unique("in production"))
    with pytest.raises(InvalidStatus) as refused:
        chat.Client(running.url.replace("/prod", "/dev"), token("ann"))
    assert refused.value.response.status_code == 403


def test_chat_works_within_the_account_throttle(serve, token):
    running = serve("--memory", "--throttle")
    with chat.Client(running.url, token("ann")) as ann:
        ann.say(chat.unique("within the rates"))


def test_trap_on_connect_refuses_with_500(serve, guests, tmp_path):
    source = guests("guest_probe")
    manifest = REFUSES.format(source=source) + textwrap.dedent("""
        grants.storage = { notes = "read-write" }
        grants.connections = { groups = ["lobby"] }
        grants.messaging = { send = "self" }
        grants.config = ["motd"]
    """)
    (tmp_path / "tidegate.toml").write_text(manifest)
    running = serve("--memory", app=tmp_path)
    with pytest.raises(InvalidStatus) as refused:
        chat.Client(f"{running.url}?do=trap")
    assert refused.value.response.status_code == 500
    with chat.Client(f"{running.url}?do=echo", subprotocols=["chat"]):
        pass


def test_env_file_overrides_the_manifest_configuration(run, chat_app, guests, tmp_path):
    (tmp_path / "probe.wasm").write_bytes(guests("guest_probe").read_bytes())
    manifest = REFUSES.format(source="probe.wasm") + '\n[config]\njwt-secret = "in the manifest"\n'
    (tmp_path / "tidegate.toml").write_text(manifest)
    (tmp_path / ".env").write_text('JWT_SECRET="in the file"\n')
    printed = run("token", "ann", "--app", tmp_path, "--expires-in", "60").stdout.strip()
    signed, _, signature = printed.rpartition(".")
    assert signature == tokens.sign(signed, "in the file")
    (tmp_path / ".env").write_text('JWT_SECRET="hidden and unclosed\n')
    refused = run("token", "ann", "--app", tmp_path)
    assert_error(refused, "config-file-invalid", ".env")
    assert "hidden" not in refused.stderr


def test_token_command_needs_a_secret(run, guests, tmp_path):
    (tmp_path / "tidegate.toml").write_text(REFUSES.format(source=guests("guest_probe")))
    refused = run("token", "ann", "--app", tmp_path)
    assert_error(refused, "jwt-secret-missing", "`jwt-secret`", hint="")
