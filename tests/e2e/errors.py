"""Assertions on the errors of the command line: on their codes and the values that they name, not on their prose."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass

REPORT = re.compile(
    r"^error\[(?P<code>[a-z0-9-]+)\]: (?P<message>.*?)(?:^hint: (?P<hint>.*?))?\Z", re.DOTALL | re.MULTILINE
)


@dataclass(frozen=True)
class Error:
    """An error, as a terminal or `--json` shows it."""

    code: str
    message: str
    hint: str | None = None


def parse_report(text: str) -> Error:
    """Parses `error[code]: message` at the end of standard error, with its hint."""
    found = REPORT.search(text)
    assert found, f"there is no `error[code]: …` in:\n{text}"
    hint = found["hint"]
    return Error(found["code"], found["message"].strip(), hint.strip() if hint else None)


def error_of(done: subprocess.CompletedProcess[str]) -> Error:
    """Returns the error of a command that failed. With `--json`, the error is an object on standard output."""
    assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
    assert "panicked" not in done.stderr
    if "--json" in done.args:
        return Error(**{"hint": None} | json.loads(done.stdout)["error"])
    assert done.stdout == ""
    return parse_report(done.stderr)


def assert_error(done: subprocess.CompletedProcess[str], code: str, *named: object, hint: str | None = None) -> Error:
    """Asserts that a command failed with this code, and that its message names these values. Returns the error."""
    error = error_of(done)
    return check(error, code, *named, hint=hint)


def check(error: Error, code: str, *named: object, hint: str | None = None) -> Error:
    """Asserts an error's code, the values in its message, and a part of its hint. Returns the error."""
    assert error.code == code, error
    for value in named:
        assert str(value) in error.message, error
    if hint is not None:
        assert error.hint and hint in error.hint, error
    return error
