"""Errors in an app name the file, the key and a remedy, and the exit status is not zero."""

import json
import shutil
import sys

import pytest
from conftest import REPOSITORY
from errors import assert_error
from manifests import ECHO


# The stack's rules need no CDK.
sys.path.append(str(REPOSITORY / "infra"))
from tidegate_stack import rules  # noqa: E402

NAMES = json.loads((REPOSITORY / "host" / "app" / "tests" / "names.json").read_text())


@pytest.fixture
def app(tmp_path, guests):
    """Creates an app folder with a manifest and components, given as `name=crate`."""

    def app(manifest, **components):
        folder = tmp_path / "app"
        folder.mkdir()
        (folder / "tidegate.toml").write_text(manifest)
        for name, crate in components.items():
            shutil.copy(guests(crate), folder / f"{name}.wasm")
        return folder

    return app


def refuse(run, folder, code, *named, command="check", file="tidegate.toml", hint=None):
    """Runs a command that must fail with this code, with the path of a file and these values in its message."""
    arguments = {"check": [], "dev": ["--port", "0", "--memory"], "build": []}[command]
    assert_error(run(command, folder, *arguments), code, folder / file, *named, hint=hint)


def test_minimal_app_is_valid(run, app):
    done = run("check", app(ECHO, echo="guest_echo"))
    assert done.returncode == 0, done.stderr


def test_check_and_the_stack_accept_and_refuse_the_same_names(run, app):
    def manifest(kind, name):
        text = json.dumps(name)
        match kind:
            case "app":
                return ECHO.replace('"small"', text)
            case "config":
                return ECHO + f"[routes.x]\ncomponent = 'echo'\ngrants.config = [{text}]\n"
            case "collection":
                return ECHO + f"[routes.x]\ncomponent = 'echo'\ngrants.storage = {{ {text} = 'read' }}\n"
            case "route-key":
                return ECHO + f"[routes.{text}]\ncomponent = 'echo'\n"

    folder = app(ECHO, echo="guest_echo")
    for kind in ("app", "config", "collection", "route-key"):
        names = NAMES["names"][kind]
        for name in (names["accepted"][0], names["refused"][1]):
            (folder / "tidegate.toml").write_text(manifest(kind, name))
            done = run("check", folder)
            assert (done.returncode == 0) == (rules.expected(kind, name) is None), (kind, name, done.stderr)


def test_unused_names_are_reported_with_the_nearest_name(run, app):
    folder = app(ECHO + '[routes.x]\ncomponent = "echo"\ngrants.config = ["api-key"]\n', echo="guest_echo")
    (folder / ".env").write_text("apiKey=hidden\n")
    (folder / "tidegate.toml").write_text((folder / "tidegate.toml").read_text() + '[config]\napikey = "hidden"\n')
    done = run("check", folder)
    assert done.returncode == 0, done.stderr
    assert "warning: `config.apikey` in " in done.stderr
    assert "hint: did you mean `api-key`?" in done.stderr
    assert "hidden" not in done.stderr
    (folder / ".env").write_text("apiKay=hidden\n")
    done = run("check", folder)
    assert "warning: `apiKay` in `.env` has no effect" in done.stderr
    assert "hidden" not in done.stderr


@pytest.mark.parametrize("command", ["check", "build", "dev"])
def test_unknown_key_is_refused(run, app, command):
    folder = app(ECHO.replace("response", "respnse"), echo="guest_echo")
    refuse(run, folder, "manifest-key-unknown", "`routes.echo.respnse`", command=command, hint="`response`")


def test_value_of_the_wrong_type_is_refused(run, app):
    folder = app(ECHO.replace("response = true", 'response = "yes"'), echo="guest_echo")
    refuse(run, folder, "manifest-type-mismatch", "`routes.echo.response`", "boolean")


def test_invalid_toml_is_refused(run, app):
    folder = app("\n[app\n")
    refuse(run, folder, "manifest-syntax", f"{folder / 'tidegate.toml'}:2")


def test_route_with_an_unknown_component_is_refused(run, app):
    folder = app(ECHO.replace('component = "echo"', 'component = "ehco"'), echo="guest_echo")
    refuse(run, folder, "component-undefined", "`routes.echo.component`", hint="`echo`")


def test_missing_component_file_is_refused(run, app):
    folder = app(ECHO)
    refuse(run, folder, "component-file-missing", "`echo`", file="echo.wasm", hint="`components.echo.build`")


@pytest.mark.parametrize(
    ("crate", "code", "wanted"),
    [
        ("guest_stranger", "component-world-wrong", "tidegate:route/handler"),
        ("guest_newer", "component-version-unsupported", "tidegate:route@0.1.0"),
    ],
)
def test_component_of_another_world_or_version_is_refused(run, app, crate, code, wanted):
    refuse(run, app(ECHO, echo=crate), code, "components.echo.source", wanted)


def test_authorizer_component_on_a_route_is_refused(run, app):
    folder = app(ECHO, echo="guest_authorizer")
    refuse(run, folder, "component-role-wrong", "routes.echo", "tidegate:route/handler")


def test_unknown_import_is_refused(run, app):
    refuse(run, app(ECHO, echo="guest_outsider"), "component-import-unknown", "test:outsider/moon")


def test_ungranted_import_is_refused(run, app):
    interfaces = [f"tidegate:route/{name}@0.1.0" for name in ("storage", "connections", "messaging")]
    refuse(run, app(ECHO, echo="chat_chat"), "component-grant-missing", *interfaces)


@pytest.mark.parametrize("content", [b"", b"not wasm at all", b"\0asm\1\0\0\0"], ids=["empty", "text", "core module"])
def test_file_that_is_not_a_component_is_refused(run, app, content):
    folder = app(ECHO)
    (folder / "echo.wasm").write_bytes(content)
    refuse(run, folder, "not-a-component", "`echo`", file="echo.wasm")


def test_truncated_component_is_refused(run, app):
    folder = app(ECHO, echo="guest_echo")
    path = folder / "echo.wasm"
    path.write_bytes(path.read_bytes()[:-100])
    refuse(run, folder, "component-invalid", "`echo`", file="echo.wasm")


def test_failed_build_command_is_reported(run, app):
    folder = app(ECHO.replace('source = "echo.wasm"', 'source = "echo.wasm"\nbuild = "exit 7"'))
    refuse(run, folder, "build-command-failed", "`echo`", "`exit 7`")


def test_folder_without_a_manifest_is_refused(run, tmp_path):
    refuse(run, tmp_path, "manifest-not-found", hint="")
