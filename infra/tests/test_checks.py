"""Tests of whole templates: cdk-nag, cfn-lint and snapshots.

There is one snapshot of the template of dev, and one of the differences of stage and prod.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from aws_cdk import App
from aws_cdk.cx_api import CloudAssembly

import app as program
from tidegate_stack.acknowledgements import add_nag_checks
from tidegate_stack.errors import Code, StackError
from tidegate_stack.settings import Settings
from tidegate_stack.stack import AppStack
from tidegate_stack.stages import DEV

INFRA = Path(__file__).parent.parent
SNAPSHOTS = Path(__file__).parent / "snapshots"
ASSET = re.compile(r"\b[0-9a-f]{64}\.zip")
BASE = "dev"
ABSENT = "<absent>"


@pytest.fixture(scope="session")
def account(tmp_path_factory) -> CloudAssembly:
    """The account's stack as `app.py` writes it, checked by cdk-nag."""
    output = tmp_path_factory.mktemp("account")
    assert program.main(["-c", "account=on", "--output", str(output)]) == 0
    return CloudAssembly(str(output))


def findings(directory: Path) -> set[str]:
    """Returns the rules in cdk-nag's report in `directory`."""
    report = (directory / "validation-report.json").read_text()
    return set(re.findall(r"AwsSolutions-[A-Z]+\d+", report))


def test_a_finding_without_an_acknowledgement_fails_the_synthesis(tmp_path, package):
    app = App(context={"package": str(package)}, outdir=str(tmp_path), analytics_reporting=False)
    add_nag_checks(app)
    AppStack(app, Settings.read(app), DEV)
    with pytest.raises(StackError) as error:
        program.synthesize(app)
    assert error.value.code == Code.SYNTHESIS_FAILED
    assert "ValidationFailed" in error.value.why
    assert findings(tmp_path) == {f"AwsSolutions-{rule}" for rule in ("APIG4", "DDB3", "IAM5", "S1")}


def test_every_finding_is_acknowledged_with_a_reason(assembly, account):
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


def stable(template: dict) -> dict:
    """Returns the template without the digest of the package."""
    return json.loads(ASSET.sub("ASSET.zip", json.dumps(template)))


def stage_template(assembly: CloudAssembly, stage: str) -> dict:
    return stable(assembly.get_stack_by_name(f"tidegate-chat-{stage}").template)


def test_the_template_of_dev_equals_its_snapshot(assembly, request):
    compare(f"tidegate-chat-{BASE}.json", stage_template(assembly, BASE), request.config)


@pytest.mark.parametrize("other", ["stage", "prod"])
def test_the_differences_of_another_stage_equal_their_snapshot(assembly, request, other):
    found = differences(stage_template(assembly, BASE), stage_template(assembly, other), other)
    compare(f"tidegate-chat-{other}.differences.json", found, request.config)


def test_the_template_of_the_account_equals_its_snapshot(account, request):
    (stack,) = account.stacks
    compare(f"{stack.stack_name}.json", stable(stack.template), request.config)


def differences(base, other, stage: str, path: str = "") -> dict[str, list]:
    """Returns the values that differ, by path, as [base, other].

    Text in `other` must have the name of `stage` wherever `base` has the name of its own stage.
    """
    if isinstance(base, dict) and isinstance(other, dict):
        pairs = {name: (base.get(name, ABSENT), other.get(name, ABSENT)) for name in base | other}
    elif isinstance(base, list) and isinstance(other, list) and len(base) == len(other):
        pairs = dict(enumerate(zip(base, other, strict=True)))
    else:
        named = re.sub(rf"\b{BASE}\b", stage, base) if isinstance(base, str) else base
        return {} if other == named and type(other) is type(base) else {path: [base, other]}
    found = {}
    for name, pair in pairs.items():
        found |= differences(*pair, stage, f"{path}/{name}")
    return found


def test_differences_are_found_at_any_depth():
    base = {"same": "a", "named": "/x/dev/", "kept": "dev", "list": [1, {"a": True}], "old": None, "short": [1]}
    other = {"same": "a", "named": "/x/prod/", "kept": "dev", "list": [1, {"a": 1}], "new": 0, "short": [1, 2]}
    assert differences(base, other, "prod") == {
        "/kept": ["dev", "dev"],
        "/list/1/a": [True, 1],
        "/old": [None, ABSENT],
        "/new": [ABSENT, 0],
        "/short": [[1], [1, 2]],
    }


def compare(name: str, value: dict, config) -> None:
    """Compares a value with its snapshot, or writes the snapshot first if the command line asks for it."""
    path = SNAPSHOTS / name
    text = json.dumps(value, indent=2, sort_keys=True) + "\n"
    if config.getoption("--update-snapshots"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert text == path.read_text(), f"{name} differs; to accept the change, run `make snapshots`"
