"""Errors in an app name the file, the key and a remedy, and the exit status is not zero."""

import shutil

import pytest
from manifests import ECHO


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


def refusal(run, folder, command="check"):
    """Runs a command that must fail without standard output, and returns its standard error."""
    arguments = {"check": [], "dev": ["--port", "0", "--memory"], "build": []}[command]
    done = run(command, folder, *arguments)
    assert done.returncode != 0, done.stdout
    assert done.stdout == ""
    assert str(folder / "tidegate.toml") in done.stderr
    assert "panicked" not in done.stderr
    return done.stderr


def test_minimal_app_is_valid(run, app):
    done = run("check", app(ECHO, echo="guest_echo"))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", ["check", "build", "dev"])
def test_unknown_key_is_refused(run, app, command):
    said = refusal(run, app(ECHO.replace("response", "respnse"), echo="guest_echo"), command)
    assert "routes.echo.respnse" in said
    assert "hint: did you mean `response`?" in said


def test_value_of_the_wrong_type_is_refused(run, app):
    said = refusal(run, app(ECHO.replace("response = true", 'response = "yes"'), echo="guest_echo"))
    assert "routes.echo.response" in said
    assert "boolean" in said


def test_invalid_toml_is_refused(run, app):
    assert ":2" in refusal(run, app("\n[app\n"))


def test_route_with_an_unknown_component_is_refused(run, app):
    said = refusal(run, app(ECHO.replace('component = "echo"', 'component = "ehco"'), echo="guest_echo"))
    assert "routes.echo.component" in said
    assert "hint: did you mean `echo`?" in said


def test_missing_component_file_is_refused(run, app):
    folder = app(ECHO)
    said = refusal(run, folder)
    assert "components.echo.source" in said
    assert str(folder / "echo.wasm") in said
    assert "hint:" in said


@pytest.mark.parametrize(
    ("crate", "wanted"),
    [
        ("guest_stranger", "tidegate:route/handler"),
        ("guest_newer", "tidegate:route@0.1.0"),
    ],
)
def test_component_of_another_world_or_version_is_refused(run, app, crate, wanted):
    said = refusal(run, app(ECHO, echo=crate))
    assert "components.echo.source" in said
    assert wanted in said
    assert "hint:" in said


def test_authorizer_component_on_a_route_is_refused(run, app):
    said = refusal(run, app(ECHO, echo="guest_authorizer"))
    assert "routes.echo" in said
    assert "tidegate:route/handler" in said


def test_unknown_import_is_refused(run, app):
    said = refusal(run, app(ECHO, echo="guest_outsider"))
    assert "test:outsider/moon" in said


def test_ungranted_import_is_refused(run, app):
    said = refusal(run, app(ECHO, echo="chat_chat"))
    assert "routes.echo" in said
    for grant in ("storage", "connections", "messaging"):
        assert f"hint: add `grants.{grant} = " in said


@pytest.mark.parametrize("content", [b"", b"not wasm at all", b"\0asm\1\0\0\0"], ids=["empty", "text", "core module"])
def test_file_that_is_not_a_component_is_refused(run, app, content):
    folder = app(ECHO)
    (folder / "echo.wasm").write_bytes(content)
    said = refusal(run, folder)
    assert "components.echo.source" in said
    assert "not a WebAssembly component" in said


def test_truncated_component_is_refused(run, app):
    folder = app(ECHO, echo="guest_echo")
    path = folder / "echo.wasm"
    path.write_bytes(path.read_bytes()[:-100])
    assert "components.echo.source" in refusal(run, folder)


def test_failed_build_command_is_reported(run, app):
    folder = app(ECHO.replace('source = "echo.wasm"', 'source = "echo.wasm"\nbuild = "exit 7"'))
    said = refusal(run, folder)
    assert "components.echo.build" in said
    assert "exit 7" in said


def test_folder_without_a_manifest_is_refused(run, tmp_path):
    said = refusal(run, tmp_path)
    assert "hint:" in said
