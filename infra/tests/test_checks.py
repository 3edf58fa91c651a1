"""cdk-nag, cfn-lint and snapshots."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from aws_cdk import App

from tidegate_stack.access_logs import AccountStack
from tidegate_stack.acknowledgements import acknowledge_account, check
from tidegate_stack.settings import Settings
from tidegate_stack.stack import AppStack
from tidegate_stack.stages import DEV

INFRA = Path(__file__).parent.parent
SNAPSHOTS = Path(__file__).parent / "snapshots"
ASSET = re.compile(r"\b[0-9a-f]{64}\.zip")


@pytest.fixture(scope="session")
def account(tmp_path_factory):
    app = App(outdir=str(tmp_path_factory.mktemp("account")), analytics_reporting=False)
    check(app)
    acknowledge_account(AccountStack(app, "tidegate-account"))
    return app.synth()


def findings(directory: Path) -> set[str]:
    """The rules that cdk-nag's report in `directory` says were broken."""
    report = (directory / "validation-report.json").read_text()
    return set(re.findall(r"AwsSolutions-[A-Z]+\d+", report))


def test_every_acknowledged_finding_is_a_real_one(tmp_path, package):
    app = App(context={"package": str(package)}, outdir=str(tmp_path), analytics_reporting=False)
    check(app)
    AppStack(app, Settings.read(app), DEV)
    with pytest.raises(RuntimeError, match="ValidationFailed"):
        app.synth()
    assert findings(tmp_path) == {f"AwsSolutions-{rule}" for rule in ("APIG4", "DDB3", "IAM5", "S1")}


def test_nag_finds_only_what_was_acknowledged_with_a_reason(assembly, account):
    for made, rules in ((assembly, {"APIG4", "DDB3", "IAM5", "S1"}), (account, {"IAM4"})):
        (report,) = json.loads((Path(made.directory) / "validation-report.json").read_text())["pluginReports"]
        assert report["violations"] == []
        acknowledged = report["suppressedViolations"]
        assert {re.match(r"AwsSolutions-(\w+)", item["ruleName"]).group(1) for item in acknowledged} == rules
        assert all(item["reason"] for item in acknowledged)


def test_templates_pass_cfn_lint(assembly, account):
    templates = [stack.template_full_path for made in (assembly, account) for stack in made.stacks]
    assert len(templates) == 4
    lint = [str(Path(sys.executable).parent / "cfn-lint"), "--config-file", str(INFRA / ".cfnlintrc"), *templates]
    run = subprocess.run(lint, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def test_templates_are_those_of_the_snapshots(assembly, account, request):
    for made in (assembly, account):
        for stack in made.stacks:
            text = json.dumps(stack.template, indent=2, sort_keys=True) + "\n"
            compare(f"{stack.stack_name}.json", ASSET.sub("ASSET.zip", text), request.config)


def compare(name: str, text: str, config) -> None:
    """Compares with a snapshot, or writes it when asked to."""
    path = SNAPSHOTS / name
    if config.getoption("--update-snapshots"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert text == path.read_text(), f"{name} has changed; if that was meant: pytest --update-snapshots"
