"""A package above the limit is named with its size; one at the limit is not."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from package_size import LIMIT, main, problems  # noqa: E402


def test_only_what_is_above_the_limit_is_a_problem(tmp_path):
    small, large = tmp_path / "small.zip", tmp_path / "large.zip"
    small.write_bytes(b"x" * 10)
    large.write_bytes(b"x" * 11)
    assert problems([small, large], limit=10) == [f"`{large}` has 11 bytes, above the limit of 10"]


def test_the_exit_status_says_so(tmp_path):
    package = tmp_path / "package.zip"
    package.touch()
    assert main([str(package)]) == 0
    with package.open("wb") as file:
        file.truncate(LIMIT + 1)
    assert main([str(package)]) == 1
    # A check of nothing would never fail.
    assert main([]) == 1
