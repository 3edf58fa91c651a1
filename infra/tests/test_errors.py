"""Tests of the error codes: each stands in the reference page, and each is used."""

import re
from pathlib import Path

import pytest

from tidegate_stack.errors import Code, StackError

INFRA = Path(__file__).parents[1]
PAGE = INFRA.parent / "docs/reference/errors.md"
PROGRAMS = ("app.py", "empty.py")


def sections() -> dict[str, str]:
    """Returns the sections of the page about the stack, by code."""
    _, _, stack = PAGE.read_text().partition("\n## The stack (infra)\n")
    stack = re.split(r"^## ", stack, flags=re.MULTILINE)[0]
    return dict(re.findall(r"^### `([^`]+)`\n(.*?)(?=^### |\Z)", stack, flags=re.MULTILINE | re.DOTALL))


def test_the_page_has_exactly_the_codes_of_the_stack():
    assert set(sections()) == set(Code)


@pytest.mark.parametrize("code", Code)
def test_each_section_has_cause_remedy_and_example(code):
    section = sections()[code]
    for label in ("Cause", "Remedy", "Example"):
        assert re.search(rf"^- \*\*{label}\*\*:", section, flags=re.MULTILINE)
    assert f"\n  error[{code}]: " in section


@pytest.mark.parametrize("code", Code)
def test_each_code_is_used(code):
    sources = [INFRA / name for name in PROGRAMS] + list((INFRA / "tidegate_stack").glob("*.py"))
    assert any(f"Code.{code.name}" in source.read_text() for source in sources)


@pytest.mark.parametrize("code", Code)
def test_codes_are_kebab_case_with_a_prefix(code):
    assert re.fullmatch(r"stack(-[a-z]+)+", code)


def test_an_error_prints_its_hint_on_a_line_of_its_own():
    error = StackError(
        Code.PACKAGE_INVALID, "cannot read the package `a.zip`", "it is not a zip file", "write it again"
    )
    assert error.render() == (
        "error[stack-package-invalid]: cannot read the package `a.zip`: it is not a zip file\nhint: write it again"
    )
    assert str(error) == "cannot read the package `a.zip`: it is not a zip file"


def test_an_error_without_a_hint_is_one_line():
    error = StackError(Code.CONTEXT_INVALID, "cannot use the context value `account=yes`", "expected `on` or `off`")
    assert "\n" not in error.render()
