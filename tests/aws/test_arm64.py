"""The package for Lambda's arm64. Its bootstrap and artifacts run in qemu's user mode."""

import zipfile
from pathlib import Path

import chat
import deployment
import pytest
from conftest import MOTD, package_for

# Folder of the C library in Debian's `libc6-arm64-cross`.
SYSROOT = "/usr/aarch64-linux-gnu"
SCRIPT = f"""#!/bin/sh
exec qemu-aarch64 -L {SYSROOT} "$(dirname "$0")/aarch64/bootstrap"
"""


@pytest.fixture(scope="module")
def url(ministack, tmp_path_factory):
    """URL of the deployed arm64 package."""
    folder = tmp_path_factory.mktemp("arm64")
    package = under_qemu(package_for("aarch64"), folder / "chat.zip")
    assembly = deployment.synthesize(package, folder / "cdk.out", ministack)
    deployed = deployment.deploy(ministack, assembly, "chat-arm64", change=deployment.without_parameter)
    yield deployed.url
    deployment.delete(deployed)


def test_connect_and_echo(url, token):
    with chat.Client(url, token("ann")) as ann:
        welcome = ann.receive(type="welcome")
        assert (welcome["user"], welcome["motd"]) == ("ann", MOTD)
        message = {"action": "echo", "text": chat.unique("echo")}
        ann.send(message)
        assert ann.receive(text=message["text"]) == message
        assert ann.say("hello from arm64")["from"] == "ann"


def under_qemu(package: Path, changed: Path) -> Path:
    """Replaces the bootstrap by a script that runs it in qemu."""
    with zipfile.ZipFile(package) as before, zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED) as after:
        for entry in before.infolist():
            content = before.read(entry)
            if entry.filename == "bootstrap":
                script = zipfile.ZipInfo("bootstrap", entry.date_time)
                script.external_attr = entry.external_attr
                after.writestr(script, SCRIPT)
                entry.filename = "aarch64/bootstrap"
            after.writestr(entry, content)
    return changed
