"""What must not be committed is found; what looks like it is not."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from committed import faults  # noqa: E402

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
def test_a_fault_is_found_with_its_line(name, line):
    found = faults(name, f"\n{line}\n", {HOST})
    assert [fault.split(": ")[0] for fault in found] == [f"{name}:2"]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("Makefile", "cp $(TARGET_DIR)/work/output here"),
        ("docs/page.md", "see https://docs.rs/root/latest/root/index.html"),
        ("tests/.npmrc", "# see https://docs.npmjs.com"),
        ("Cargo.lock", 'source = "registry+https://github.com/rust-lang/crates.io-index"'),
    ],
)
def test_ordinary_lines_are_no_faults(name, line):
    assert faults(name, line, {HOST}) == []
