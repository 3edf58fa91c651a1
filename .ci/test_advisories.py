"""The reports of the tools that know vulnerabilities, and the decision about them."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from advisories import Known, Result, findings, ignored, npm, python, rust  # noqa: E402

TIME = Known(frozenset({"RUSTSEC-2020-0071", "CVE-2020-26235"}), "time", "Potential segfault in the time crate")


def lines(*entries):
    return "\n".join(["a line of another program", *(json.dumps(entry) for entry in entries)])


def diagnostic(code):
    advisory = {"id": "RUSTSEC-2020-0071", "aliases": ["CVE-2020-26235"], "package": "time", "title": TIME.title}
    return {"type": "diagnostic", "fields": {"severity": "error", "code": code, "advisory": advisory}}


SUMMARY = {"type": "summary", "fields": {"advisories": {"errors": 1}}}


def test_vulnerable_crates_are_found():
    assert rust(lines(diagnostic("vulnerability"), SUMMARY)) == Result([TIME])
    assert rust(lines(diagnostic("unmaintained"), SUMMARY)) == Result()


def test_database_of_crates_that_is_not_reached_is_reported():
    error = {"type": "log", "fields": {"level": "ERROR", "message": "failed to fetch\nfatal: Could not resolve host"}}
    assert rust(lines(error)) == Result(unreached="fatal: Could not resolve host")
    assert rust("`cargo-deny` is not installed").unreached


def test_vulnerable_npm_packages_are_found_once():
    advisory = {"name": "ws", "title": "DoS", "url": "https://github.com/advisories/GHSA-3h5v-q93c-6h6q"}
    report = {"vulnerabilities": {"ws": {"via": [advisory]}, "socket": {"via": ["ws", advisory]}}}
    known = Known(frozenset({"GHSA-3h5v-q93c-6h6q"}), "ws", "DoS")
    assert npm("npm warn a setting\n" + json.dumps(report)) == Result([known])
    assert npm(json.dumps({"vulnerabilities": {}})) == Result()


def test_npm_registry_without_a_database_is_reported():
    assert npm('npm warn audit\n{"message": "405 Method Not Allowed"}') == Result(unreached="405 Method Not Allowed")
    assert npm("`npm` is not installed") == Result(unreached="`npm` is not installed")


def test_vulnerable_python_packages_are_found():
    vulnerable = {"name": "jinja2", "version": "2.10", "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-1"]}]}
    skipped = {"name": "own", "skip_reason": "Dependency not found on PyPI"}
    known = Known(frozenset({"PYSEC-1", "CVE-1"}), "jinja2", "")
    assert python(json.dumps({"dependencies": [vulnerable, skipped]})) == Result([known])
    assert python(json.dumps({"dependencies": [{"name": "six", "version": "1", "vulns": []}, skipped]})) == Result()


def test_python_index_without_a_database_is_reported():
    skipped = {"name": "six", "skip_reason": "Dependency not found on PyPI"}
    assert python(json.dumps({"dependencies": [skipped, skipped]})) == Result(unreached="Dependency not found on PyPI")
    assert python("`pip-audit` is not installed").unreached


def test_vulnerability_is_ignored_by_any_of_its_ids():
    results = {"Cargo.lock": Result([TIME])}
    assert findings(results, {"CVE-2020-26235": "no local time is read"}) == []
    [finding] = findings(results, {"CVE-1": "another"})
    assert finding.startswith("Cargo.lock: CVE-2020-26235, RUSTSEC-2020-0071: `time`")


def test_ignored_vulnerability_needs_a_reason():
    entry = {"id": "CVE-1", "reason": "not reachable"}
    assert ignored({"advisories": {"ignore": [entry]}}) == {"CVE-1": "not reachable"}
    assert ignored({}) == {}
    for entry in ("CVE-1", {"id": "CVE-1"}):
        with pytest.raises(SystemExit, match="reason"):
            ignored({"advisories": {"ignore": [entry]}})
