"""Histories of concurrent calls of the storage port on the emulated AWS, checked for linearizability.

The workload and the checker are in Rust: `host/aws/tests/histories.rs`.
"""

import os
import subprocess
from pathlib import Path

import faults
import proxy as proxies
import pytest
from behind_proxy import LONG

REPOSITORY = Path(__file__).resolve().parents[2]
TEST = "histories_on_an_emulated_aws_are_linearizable"
SECONDS = 3_600 if LONG else 600
HISTORIES = "500" if LONG else "10"


def check(endpoint: str, faults_of: str) -> None:
    """Runs the histories against an endpoint."""
    done = subprocess.run(
        ["cargo", "test", "--locked", "--workspace", "--test", "histories", "--", "--ignored", "--exact", TEST],
        cwd=REPOSITORY,
        env=os.environ
        | {"TIDEGATE_TEST_AWS": endpoint, "TIDEGATE_TEST_FAULTS": faults_of, "TIDEGATE_HISTORIES": HISTORIES},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout[-20_000:] + done.stderr[-4_000:]


@pytest.mark.timeout(SECONDS)
def test_histories_are_linearizable(ministack):
    check(ministack.endpoint, "none")


@pytest.mark.timeout(SECONDS)
def test_histories_behind_the_proxy_are_linearizable(ministack):
    with proxies.running(ministack.port) as proxy, proxy.injected(faults.mixture(1), times=None) as rule:
        check(proxy.endpoint, "those of the proxy, in one of six requests")
    assert rule.hits
