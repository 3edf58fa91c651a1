import os
import subprocess
import sys
from pathlib import Path

import pytest
from aws_cdk import App
from fixture_package import elf, write_package
from templates import function

import app as program
from tidegate_stack.errors import Code, StackError
from tidegate_stack.settings import Settings, check_names, stages
from tidegate_stack.stages import DEV, STAGES

INFRA = Path(__file__).parent.parent


def refusal(**context) -> StackError:
    app = App(context={name.replace("_", "-"): value for name, value in context.items()})
    with pytest.raises(StackError) as error:
        check_names(app)
        stages(app)
        Settings.read(app)
    return error.value


def test_a_missing_package_is_refused_with_the_option_that_names_it():
    error = refusal()
    assert error.code == Code.PACKAGE_MISSING
    assert "`-c package=FILE`" in error.hint


def test_an_unknown_context_name_is_refused():
    error = refusal(packge="chat.zip")
    assert error.code == Code.CONTEXT_UNKNOWN
    assert "`packge`" in error.what


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("stage", "test", "dev, stage, prod"),
        ("architecture", "riscv", "`arm64` or `x86_64`"),
        ("config-source", "vault", "`parameter-store` or `secrets-manager`"),
        ("access-logs", "no", "`on` or `off`"),
    ],
)
def test_an_invalid_context_value_is_refused_with_the_valid_ones(package, name, value, expected):
    error = refusal(**{"package": str(package), name: value})
    assert error.code == Code.CONTEXT_INVALID
    assert f"`{name}={value}`" in error.what
    assert expected in error.why


def test_an_architecture_other_than_that_of_the_package_is_refused(package):
    error = refusal(package=str(package), architecture="x86_64")
    assert error.code == Code.ARCHITECTURE_MISMATCH
    assert "`x86_64`" in error.what
    assert "`arm64`" in error.why


def test_the_context_selects_one_stage_or_all():
    assert stages(App(context={"stage": "dev"})) == [DEV]
    assert stages(App()) == list(STAGES.values())


@pytest.mark.parametrize("value", ["100ms", "500ms", "1s", "2s", "30s", "30000ms"])
def test_a_max_staleness_from_100ms_to_30s_is_accepted(package, value):
    app = App(context={"package": str(package), "max-staleness": value})
    assert Settings.read(app).max_staleness == value


@pytest.mark.parametrize("value", ["100ms", "30s"])
def test_both_functions_get_the_max_staleness(synthesize, chat, value):
    template = synthesize(chat, max_staleness=value)
    for serves in ("handler", "authorizer"):
        assert function(template, serves)["Environment"]["Variables"]["MAX_STALENESS"] == value


@pytest.mark.parametrize(
    "value", ["99ms", "0s", "30001ms", "31s", "2", "2 s", "1.5s", "-1s", "1m", "s", "٢s", "2s\n", "9999999s"]
)
def test_another_max_staleness_is_refused(package, value):
    error = refusal(package=str(package), max_staleness=value)
    assert error.code == Code.CONTEXT_INVALID
    assert f"`max-staleness={value}`" in error.what


def test_context_names_of_the_cdk_are_accepted():
    check_names(App(context={"aws:cdk:bundling-stacks": ["**"], "@aws-cdk/core:newStyle": True}))


@pytest.mark.parametrize("architecture", ["arm64", "x86_64"])
def test_functions_have_the_architecture_of_the_bootstrap(tmp_path, architecture):
    package = write_package(tmp_path / "p.zip", bootstrap=elf(architecture))
    assert Settings.read(App(context={"package": str(package)})).architecture.name == architecture


def test_a_script_runs_on_arm64_unless_the_context_names_another(tmp_path):
    package = str(write_package(tmp_path / "p.zip", bootstrap=b"#!/bin/sh\n"))
    assert Settings.read(App(context={"package": package})).architecture.name == "arm64"
    context = {"package": package, "architecture": "x86_64"}
    assert Settings.read(App(context=context)).architecture.name == "x86_64"


def test_placeholders_in_the_callback_url_are_replaced(synthesize, chat):
    template = synthesize(chat, callback_url="http://127.0.0.1:4566/_aws/execute-api/{api}/{stage}")
    url = function(template, "handler")["Environment"]["Variables"]["API_GATEWAY_URL"]
    (api,) = template.find_resources("AWS::ApiGatewayV2::Api")
    assert url == {"Fn::Join": ["", ["http://127.0.0.1:4566/_aws/execute-api/", {"Ref": api}, "/dev"]]}


def test_the_program_adds_only_the_selected_stage(package):
    app = App(context={"stage": "dev", "package": str(package)}, analytics_reporting=False)
    program.build(app)
    assert [child.node.id for child in app.node.children if child.node.id.startswith("tidegate-")] == [
        "tidegate-chat-dev"
    ]


def test_the_program_prints_an_error_without_a_traceback(tmp_path):
    arguments = [sys.executable, "app.py", "-c", "package=none.zip", "-o", str(tmp_path)]
    run = subprocess.run(arguments, cwd=INFRA, env=os.environ, capture_output=True, text=True)
    assert run.returncode == 1
    lines = run.stderr.splitlines()
    assert any(line.startswith(f"error[{Code.PACKAGE_MISSING}]: ") and "`none.zip`" in line for line in lines)
    assert any(line.startswith("hint: ") and "`tidegate package`" in line for line in lines)
    assert "Traceback" not in run.stderr
