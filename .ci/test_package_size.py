"""Tests that a package above the limit is reported with its size, and that one at the limit is not."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from package_size import LIMIT, main, problems  # noqa: E402


def test_only_a_package_above_the_limit_is_reported(tmp_path):
    small, large = tmp_path / "small.zip", tmp_path / "large.zip"
    small.write_bytes(b"x" * 10)
    large.write_bytes(b"x" * 11)
    assert problems([small, large], limit=10) == [f"`{large}` has 11 bytes, above the limit of 10"]


def test_the_exit_status_is_1_for_a_large_package_and_for_none(tmp_path):
    package = tmp_path / "package.zip"
    package.touch()
    assert main([str(package)]) == 0
    with package.open("wb") as file:
        file.truncate(LIMIT + 1)
    assert main([str(package)]) == 1
    # Without arguments the check could never fail.
    assert main([]) == 1
