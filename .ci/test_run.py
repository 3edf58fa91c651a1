"""Tests that `.ci/run` makes all targets, prints the output of each in one piece, and fails if one of them fails."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("run")
# Each target prints two lines with a pause between them.
MAKEFILE = """
TARGETS := $(filter-out package-here e2e-programs,{targets})
.PHONY: $(TARGETS) package-here e2e-programs
test-aws: package-here
test-e2e: e2e-programs
e2e-programs: package-here
$(TARGETS):
\t@echo $@ begins; sleep 0.05 && test $@ != {failing} && echo $@ ends
package-here e2e-programs:
\t@echo $@ begins; test $@ != {failing} && echo $@ ends
"""
LISTS = [line for line in SCRIPT.read_text().splitlines() if re.match("targets [^{]|beside '", line)]
TARGETS = sorted(re.findall(r"\b(?!targets|beside)[\w-]+", " ".join(LISTS)))


@pytest.fixture
def run(tmp_path):
    """Runs a copy of the script beside a Makefile of which one target may fail."""

    def run(failing="none"):
        (tmp_path / ".ci").mkdir()
        shutil.copy(SCRIPT, tmp_path / ".ci" / "run")
        (tmp_path / "Makefile").write_text(MAKEFILE.format(targets=" ".join(TARGETS), failing=failing))
        return subprocess.run([tmp_path / ".ci" / "run"], capture_output=True, text=True, timeout=60)

    return run


def test_all_targets_are_made_and_their_output_is_not_mixed(run):
    done = run()
    assert done.returncode == 0, done
    lines = [line for line in done.stdout.splitlines() if line.endswith((" begins", " ends"))]
    made = [*TARGETS, "package-here"]
    assert sorted(lines) == sorted(f"{name} {word}" for name in made for word in ("begins", "ends"))
    assert [line.split()[0] for line in lines[::2]] == [line.split()[0] for line in lines[1::2]]


@pytest.mark.parametrize("target", [*TARGETS, "package-here"])
def test_the_failure_of_a_target_fails_the_run_and_is_printed(run, target):
    done = run(target)
    assert done.returncode == 1, done
    assert f"{target} begins" in done.stdout and f"{target} ends" not in done.stdout
    assert "all passed" not in done.stdout
