"""The helpers of `errors.py`."""

import subprocess

import pytest
from errors import Error, assert_error, parse_report


def failed(stdout="", stderr="", arguments=("tidegate", "check")):
    return subprocess.CompletedProcess(list(arguments), 1, stdout, stderr)


def test_report_on_standard_error_is_parsed():
    text = "a log line\nerror[file-read]: cannot read `x`: no such file\n  more\nhint: run it in the app's folder\n"
    error = Error("file-read", "cannot read `x`: no such file\n  more", "run it in the app's folder")
    assert parse_report(text) == error
    assert parse_report("error[file-read]: cannot read `x`\n") == Error("file-read", "cannot read `x`")


def test_error_object_on_standard_output_is_parsed():
    done = failed('{"error":{"code":"file-read","message":"cannot read `x`","hint":null}}\n', arguments=["t", "--json"])
    assert assert_error(done, "file-read", "`x`") == Error("file-read", "cannot read `x`")


@pytest.mark.parametrize(
    ("code", "named", "hint"), [("file-write", "`x`", None), ("file-read", "`y`", None), ("file-read", "`x`", "other")]
)
def test_other_code_value_or_hint_is_an_assertion_error(code, named, hint):
    done = failed(stderr="error[file-read]: cannot read `x`\nhint: run it elsewhere\n")
    with pytest.raises(AssertionError):
        assert_error(done, code, named, hint=hint)
