"""Tests that `.ci/rustc` fails a build for a warning in any crate, and that it compiles and documents the others."""

import os
import re
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("rustc")
SUM = "//! Adds.\n\n/// Returns the sum.\n#[must_use]\npub fn sum(a: u8, b: u8) -> u8 {\n    a + b\n}\n"
MAIN = "//! A program.\n\nfn main() {}\n"
UNUSED = "fn unused() {}\n"
UNUSED_IN_RELEASES = f"#[cfg(not(debug_assertions))]\n{UNUSED}"
# Of clippy's default warnings, and not of rustc's.
LENGTH = "/// Returns true for no bytes.\n#[must_use]\npub fn has_none(a: &[u8]) -> bool {\n    a.len() == 0\n}\n"
LINK = "/// See [`nothing`].\npub fn linked() {}\n"

# Files of each package that differ from a library without a warning.
PACKAGES = {
    "sound": {"src/main.rs": '//! A program.\n\nfn main() {\n    println!("{}", sound::sum(1, 2));\n}\n'},
    "library": {"src/lib.rs": SUM + UNUSED},
    "library-clippy": {"src/lib.rs": SUM + LENGTH},
    "library-release": {"src/lib.rs": SUM + UNUSED_IN_RELEASES},
    "library-link": {"src/lib.rs": SUM + LINK},
    "program": {"src/main.rs": MAIN + UNUSED},
    "program-link": {"src/main.rs": MAIN.replace("fn main", "/// See [`nothing`].\nfn main")},
    "unit-test": {"src/lib.rs": f"{SUM}#[cfg(test)]\nmod tests {{\n{UNUSED}}}\n"},
    "test": {"tests/it.rs": f"//! Tests.\n\n{UNUSED}"},
    "benchmark": {"benches/it.rs": f"//! Benchmarks.\n\n{UNUSED}"},
    "build-script": {"build.rs": MAIN + UNUSED},
}
LINKS = {"library-link", "program-link"}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A workspace with these packages."""
    root = tmp_path_factory.mktemp("workspace")
    (root / "Cargo.toml").write_text('[workspace]\nresolver = "3"\nmembers = ["*"]\nexclude = ["target"]\n')
    for name, files in PACKAGES.items():
        manifest = f'[package]\nname = "{name}"\nversion = "0.1.0"\nedition = "2024"\n'
        for path, text in ({"Cargo.toml": manifest, "src/lib.rs": SUM} | files).items():
            (root / name / path).parent.mkdir(parents=True, exist_ok=True)
            (root / name / path).write_text(text)
    return root


def failed(workspace, *arguments):
    """Returns the packages that do not build, and the output of cargo."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CARGO_TARGET", "RUSTFLAGS"))}
    done = subprocess.run(
        ["cargo", "build", "--offline", "--workspace", "--all-targets", "--keep-going", *arguments],
        cwd=workspace,
        env=kept | {"RUSTC_WORKSPACE_WRAPPER": str(SCRIPT), "CARGO_TERM_COLOR": "never"},
        capture_output=True,
        text=True,
    )
    return set(re.findall(r"could not compile `([\w-]+)`", done.stderr)), done.stderr


def test_a_warning_in_any_crate_fails_every_build(workspace):
    for _ in range(2):
        packages, output = failed(workspace)
        assert packages == PACKAGES.keys() - {"sound", "library-release"}, output
        assert "rustdoc::broken-intra-doc-links" in output and "clippy::len-zero" in output
    program = subprocess.run([workspace / "target/debug/sound"], capture_output=True, text=True, check=True)
    assert program.stdout == "3\n"
    assert (workspace / "target/doc/sound/fn.sum.html").is_file()


def test_a_warning_in_any_optimised_crate_fails_every_build(workspace):
    for _ in range(2):
        packages, output = failed(workspace, "--release")
        assert packages == PACKAGES.keys() - {"sound"} - LINKS, output
    program = subprocess.run([workspace / "target/release/sound"], capture_output=True, text=True, check=True)
    assert program.stdout == "3\n"
