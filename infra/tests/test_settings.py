import os
import subprocess
import sys
from pathlib import Path

import pytest
from aws_cdk import App
from fixture_package import elf, write_package
from templates import function

from tidegate_stack.settings import Settings, SettingsError, check_names, stages

INFRA = Path(__file__).parent.parent


def refusal(**context) -> str:
    app = App(context={name.replace("_", "-"): value for name, value in context.items()})
    with pytest.raises(SettingsError) as error:
        check_names(app)
        stages(app)
        Settings.read(app)
    return str(error.value)


def test_every_wrong_value_is_named(package):
    assert "hint: -c package=FILE" in refusal()
    assert "no stage `test`; there are dev, stage, prod" in refusal(stage="test")
    assert "unknown context value `packge`" in refusal(packge="chat.zip")
    assert "no architecture `riscv`" in refusal(package=str(package), architecture="riscv")
    assert "built for arm64, not x86_64" in refusal(package=str(package), architecture="x86_64")
    assert "`config-source` is parameter-store or" in refusal(package=str(package), config_source="vault")
    assert "`access-logs` is on or off, not `no`" in refusal(package=str(package), access_logs="no")


@pytest.mark.parametrize("value", ["100ms", "500ms", "1s", "2s", "30s", "30000ms"])
def test_both_functions_are_told_how_old_a_pointer_may_be(synthesize, chat, value):
    template = synthesize(chat, max_staleness=value)
    for serves in ("handler", "authorizer"):
        assert function(template, serves)["Environment"]["Variables"]["MAX_STALENESS"] == value


@pytest.mark.parametrize(
    "value", ["99ms", "0s", "30001ms", "31s", "2", "2 s", "1.5s", "-1s", "1m", "s", "٢s", "2s\n", "9999999s"]
)
def test_another_age_of_a_pointer_is_refused(package, value):
    said = refusal(package=str(package), max_staleness=value)
    assert said == f"`max-staleness` is from 100ms to 30s, such as `2s` or `500ms`, not `{value}`"


def test_the_cdk_may_add_context_of_its_own():
    check_names(App(context={"aws:cdk:bundling-stacks": ["**"], "@aws-cdk/core:newStyle": True}))


@pytest.mark.parametrize("architecture", ["arm64", "x86_64"])
def test_functions_have_the_bootstraps_architecture(tmp_path, architecture):
    package = write_package(tmp_path / "p.zip", bootstrap=elf(architecture))
    assert Settings.read(App(context={"package": str(package)})).architecture.name == architecture


def test_a_script_runs_on_arm64_unless_told_otherwise(tmp_path):
    package = str(write_package(tmp_path / "p.zip", bootstrap=b"#!/bin/sh\n"))
    assert Settings.read(App(context={"package": package})).architecture.name == "arm64"
    context = {"package": package, "architecture": "x86_64"}
    assert Settings.read(App(context=context)).architecture.name == "x86_64"


def test_an_emulators_callback_url_is_filled_in(synthesize, chat):
    template = synthesize(chat, callback_url="http://127.0.0.1:4566/_aws/execute-api/{api}/{stage}")
    url = function(template, "handler")["Environment"]["Variables"]["API_GATEWAY_URL"]
    (api,) = template.find_resources("AWS::ApiGatewayV2::Api")
    assert url == {"Fn::Join": ["", ["http://127.0.0.1:4566/_aws/execute-api/", {"Ref": api}, "/dev"]]}


def run_app(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "app.py", *arguments], cwd=INFRA, env=os.environ, capture_output=True)


def test_the_program_synthesises_one_stage(package, tmp_path):
    run = run_app("-c", "stage=dev", "-c", f"package={package}", "-o", str(tmp_path))
    assert run.returncode == 0, run.stderr.decode()
    assert [path.name for path in tmp_path.glob("*.template.json")] == ["tidegate-chat-dev.template.json"]


def test_the_program_says_what_is_wrong_in_one_line(tmp_path):
    run = run_app("-c", "package=none.zip", "-o", str(tmp_path))
    assert run.returncode == 1
    assert "error: no package at `none.zip`; hint: `tidegate package` writes one" in run.stderr.decode()
    assert "Traceback" not in run.stderr.decode()
