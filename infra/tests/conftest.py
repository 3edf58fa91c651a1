"""Stacks of the fixture app, synthesised once."""

import copy
from pathlib import Path

import pytest
from aws_cdk import App
from aws_cdk.assertions import Template
from fixture_package import CHAT, write_package

from tidegate_stack.acknowledgements import acknowledge_stack, check
from tidegate_stack.settings import Settings
from tidegate_stack.stack import AppStack
from tidegate_stack.stages import STAGES


def pytest_addoption(parser):
    parser.addoption("--update-snapshots", action="store_true", help="write the snapshots instead of comparing them")


@pytest.fixture(scope="session")
def package(tmp_path_factory) -> Path:
    return write_package(tmp_path_factory.mktemp("package") / "chat.zip")


@pytest.fixture(scope="session")
def assembly(tmp_path_factory, package):
    """All three stages, past cdk-nag, as files."""
    app = App(
        context={"package": str(package)}, outdir=str(tmp_path_factory.mktemp("cdk.out")), analytics_reporting=False
    )
    check(app)
    settings = Settings.read(app)
    for stage in STAGES.values():
        acknowledge_stack(AppStack(app, settings, stage))
    return app.synth()


@pytest.fixture(scope="session", params=STAGES)
def stage(request) -> str:
    return request.param


@pytest.fixture(scope="session")
def template(assembly, stage) -> Template:
    return Template.from_json(assembly.get_stack_by_name(f"tidegate-chat-{stage}").template)


@pytest.fixture
def chat() -> dict:
    """The fixture app, to be changed."""
    return copy.deepcopy(CHAT)


@pytest.fixture
def synthesize(tmp_path):
    """Synthesises one stage of an app, without cdk-nag."""

    def run(app_json: dict, stage: str = "dev", **context: str) -> Template:
        package = write_package(tmp_path / "app.zip", app_json)
        names = {name.replace("_", "-"): value for name, value in context.items()}
        app = App(context={"package": str(package)} | names, outdir=str(tmp_path / "out"), analytics_reporting=False)
        return Template.from_stack(AppStack(app, Settings.read(app), STAGES[stage]))

    return run
