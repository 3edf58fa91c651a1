"""Tests that a violation of each dependency rule is found, in constructed graphs and in a real workspace."""

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from dependency_rules import Crate, read, violations  # noqa: E402

SCRIPT = Path(__file__).with_name("dependency_rules.py")


def crate(name, declared=(), closure=()):
    return Crate(f"tidegate-{name}", frozenset(declared), frozenset(closure) | {f"tidegate-{name}"})


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (crate("event", ["tokio"]), "`tidegate-event` may not depend on `tokio`"),
        (crate("event", ["tidegate-ports"]), "`tidegate-event` may not depend on `tidegate-ports`"),
        (crate("ports", ["tidegate-release"]), "`tidegate-ports` may not depend on `tidegate-release`"),
        (crate("release", closure=["wasmtime-environ"]), "`tidegate-release` may not be built with `wasmtime-environ`"),
        (
            crate("runtime", closure=["cranelift-codegen"]),
            "`tidegate-runtime` may not be built with `cranelift-codegen`",
        ),
        (crate("aws", ["tidegate-dynamodb-embedded"]), "`tidegate-aws` may not depend on `tidegate-dynamodb-embedded`"),
        (crate("aws", ["tidegate-runtime"]), "`tidegate-aws` may not depend on `tidegate-runtime`"),
        (
            crate("dynamodb-embedded", ["tidegate-event"]),
            "`tidegate-dynamodb-embedded` may not depend on `tidegate-event`",
        ),
        (
            crate("dynamodb-embedded", closure=["aws-sdk-dynamodb"]),
            "`tidegate-dynamodb-embedded` may not be built with `aws-sdk-dynamodb`",
        ),
        (crate("gateway", ["tidegate-release"]), "`tidegate-gateway` may not depend on `tidegate-release`"),
        (crate("dynamodb-embedded", ["tidegate-aws"]), "`tidegate-dynamodb-embedded` may not depend on `tidegate-aws`"),
        (crate("gateway", ["tidegate-runtime"]), "`tidegate-gateway` may not depend on `tidegate-runtime`"),
        (crate("lambda", closure=["tidegate-gateway"]), "`tidegate-lambda` may not be built with `tidegate-gateway`"),
        (
            crate("lambda", closure=["tidegate-dynamodb-embedded"]),
            "`tidegate-lambda` may not be built with `tidegate-dynamodb-embedded`",
        ),
        (crate("diagnostic", ["serde"]), "`tidegate-diagnostic` may not depend on `serde`"),
        (crate("app", ["tidegate-release"]), "`tidegate-app` may not depend on `tidegate-release`"),
        (crate("app", closure=["ring"]), "`tidegate-app` may not be built with `ring`"),
        (crate("runtime", ["tidegate-ports-testing"]), "`tidegate-runtime` may not depend on `tidegate-ports-testing`"),
        (crate("aws", ["tidegate-release-testing"]), "`tidegate-aws` may not depend on `tidegate-release-testing`"),
        (crate("novelty"), "`tidegate-novelty` has no rule"),
    ],
)
def test_each_violation_is_reported(broken, message):
    (found,) = violations([broken])
    assert found.startswith(message)


def test_allowed_dependencies_are_accepted():
    assert (
        violations(
            [
                crate("event", ["serde", "time"]),
                crate("aws", ["tidegate-ports", "tidegate-release"], ["aws-sdk-dynamodb"]),
                crate("compile", ["tidegate-runtime"], ["cranelift-codegen", "wasmtime"]),
                crate("cli", ["tidegate-compile", "tidegate-gateway"], ["cranelift-codegen"]),
            ]
        )
        == []
    )


def workspace(folder, event_depends_on_ports):
    dependency = 'tidegate-ports = { path = "../ports" }' if event_depends_on_ports else ""
    manifests = {"event": dependency, "ports": ""}
    (folder / "Cargo.toml").write_text('[workspace]\nresolver = "3"\nmembers = ["event", "ports"]\n')
    for name, dependencies in manifests.items():
        source = folder / name / "src"
        source.mkdir(parents=True)
        (source / "lib.rs").touch()
        package = f'[package]\nname = "tidegate-{name}"\nversion = "0.1.0"\nedition = "2024"\n'
        (folder / name / "Cargo.toml").write_text(f"{package}[dependencies]\n{dependencies}\n")


@pytest.mark.parametrize(("broken", "status"), [(True, 1), (False, 0)])
def test_the_rules_are_checked_in_a_real_workspace(tmp_path, broken, status):
    workspace(tmp_path, broken)
    done = subprocess.run([sys.executable, SCRIPT, tmp_path], capture_output=True, text=True)
    assert done.returncode == status, done.stderr
    assert ("`tidegate-event` may not depend on `tidegate-ports`" in done.stderr) == broken


def test_the_closure_contains_indirect_dependencies(tmp_path):
    workspace(tmp_path, event_depends_on_ports=True)
    closures = {one.name: one.closure for one in read(tmp_path)}
    assert closures["tidegate-event"] == {"tidegate-event", "tidegate-ports"}
