"""Templates of the fixture app, each synthesised once in a session."""

import copy
import json
from pathlib import Path

import pytest
from aws_cdk import App
from aws_cdk.assertions import Template
from aws_cdk.cx_api import CloudAssembly
from fixture_package import CHAT, write_package

import app as program
from tidegate_stack.settings import Settings
from tidegate_stack.stack import AppStack
from tidegate_stack.stages import STAGES


def pytest_addoption(parser):
    parser.addoption("--update-snapshots", action="store_true", help="write the snapshots instead of comparing them")


@pytest.fixture(scope="session")
def package(tmp_path_factory) -> Path:
    return write_package(tmp_path_factory.mktemp("package") / "chat.zip")


@pytest.fixture(scope="session")
def assembly(tmp_path_factory, package) -> CloudAssembly:
    """All three stages as `app.py` writes them, checked by cdk-nag."""
    output = tmp_path_factory.mktemp("cdk.out")
    assert program.main(["-c", f"package={package}", "--output", str(output)]) == 0
    return CloudAssembly(str(output))


@pytest.fixture(scope="session", params=STAGES)
def stage(request) -> str:
    return request.param


@pytest.fixture(scope="session")
def template(assembly, stage) -> Template:
    return Template.from_json(assembly.get_stack_by_name(f"tidegate-chat-{stage}").template)


@pytest.fixture
def chat() -> dict:
    """A copy of the fixture app that a test may change."""
    return copy.deepcopy(CHAT)


@pytest.fixture(scope="session")
def synthesize(tmp_path_factory):
    """Synthesises one stage of an app, without any validation; equal arguments share one template."""
    templates: dict[str, Template] = {}

    def run(app_json: dict, stage: str = "dev", **context: str) -> Template:
        key = json.dumps([app_json, stage, context])
        if key not in templates:
            folder = tmp_path_factory.mktemp("variant")
            values = {name.replace("_", "-"): value for name, value in context.items()}
            values["package"] = str(write_package(folder / "app.zip", app_json))
            output = str(folder / "out")
            # `assembly` validates the templates of all stages; validation takes longer than the synthesis.
            app = App(
                context=values, outdir=output, analytics_reporting=False, builtin_cloud_formation_validation=False
            )
            templates[key] = Template.from_stack(AppStack(app, Settings.read(app), STAGES[stage]))
        return templates[key]

    return run
