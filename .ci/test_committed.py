"""Tests that registries and paths of one machine are found, and that similar lines are not."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from committed import findings  # noqa: E402

HOST = "packages.example.test"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("README.md", f"fetched from {HOST}"),
        ("src/lib.rs", "// see " + "/home/" + "ann/notes.txt"),
        ("tests/package-lock.json", '      "resolved": "https:' + '//elsewhere.test/a.tgz",'),
        ("tests/.npmrc", "registry=" + "https://elsewhere.test"),
        ("tests/requirements.txt", "--index-url " + "https://elsewhere.test"),
    ],
)
def test_registries_and_paths_are_found_with_their_line(name, line):
    found = findings(name, f"\n{line}\n", {HOST})
    assert [finding.split(": ")[0] for finding in found] == [f"{name}:2"]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("Makefile", "cp $(TARGET_DIR)/work/output here"),
        ("docs/page.md", "see https://docs.rs/root/latest/root/index.html"),
        ("tests/.npmrc", "# see https://docs.npmjs.com"),
        ("Cargo.lock", 'source = "registry+https://github.com/rust-lang/crates.io-index"'),
    ],
)
def test_ordinary_lines_are_accepted(name, line):
    assert findings(name, line, {HOST}) == []
