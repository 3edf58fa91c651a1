"""The zip of a Lambda function: its contents, reproducibility, and errors."""

import hashlib
import json
import os
import shutil
import stat
import struct
import subprocess
import zipfile

import pytest

import server
from conftest import BUILD_SECONDS, REPOSITORY
from errors import assert_error
from manifests import ECHO

# The machine in an ELF header, by the name of the target.
MACHINES = {"aarch64": 183, "x86_64": 62}


@pytest.fixture
def small_app(tmp_path, guests):
    """Creates an app folder with one route."""

    def small_app(name="app"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "tidegate.toml").write_text(ECHO)
        shutil.copy(guests("chat_echo"), folder / "echo.wasm")
        return folder

    return small_app


@pytest.fixture
def bootstrap(tmp_path):
    """Creates a file with the ELF header of an executable for a target. A package does not run it."""

    def bootstrap(target):
        path = tmp_path / f"bootstrap-{target}"
        path.write_bytes(b"\x7fELF".ljust(18, b"\x02") + struct.pack("<H", MACHINES[target]) + b"the rest")
        return path

    return bootstrap


@pytest.mark.parametrize("target", MACHINES)
def test_package_contains_the_files_for_lambda_and_the_stack(run, small_app, bootstrap, tmp_path, target):
    output = tmp_path / "out" / "small.zip"
    done = run("package", small_app(), "--target", target, "--bootstrap", bootstrap(target), "--output", output)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{output}\n"
    assert stat.S_IMODE(output.stat().st_mode) == 0o644
    with zipfile.ZipFile(output) as package:
        assert package.testzip() is None
        assert package.namelist() == [
            "app.json", "bootstrap", "components/echo.cwasm", "release-id", "routing-fingerprint", "sbom.cdx.json",
            "trusted-keys.json",
        ]
        assert package.read("bootstrap") == bootstrap(target).read_bytes()
        modes = {entry.filename: entry.external_attr >> 16 & 0o777 for entry in package.infolist()}
        assert modes.pop("bootstrap") == 0o755
        assert set(modes.values()) == {0o644}
        assert json.loads(package.read("app.json"))["routes"].keys() == {"echo"}
        # An artifact is an ELF file too.
        assert struct.unpack_from("<H", package.read("components/echo.cwasm"), 18) == (MACHINES[target],)
        assert len(package.read("routing-fingerprint").strip()) == 64
        assert len(package.read("release-id").strip()) == 16


def test_bill_of_materials_lists_the_files_by_their_digests(run, small_app, bootstrap, tmp_path):
    folder, output = small_app(), tmp_path / "small.zip"
    done = run("package", folder, "--target", "x86_64", "--bootstrap", bootstrap("x86_64"), "--output", output)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(output) as package:
        bill = json.loads(package.read("sbom.cdx.json"))
        release, artifact = package.read("release-id").decode().strip(), package.read("components/echo.cwasm")
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    app = bill["metadata"]["component"]
    assert (app["name"], app["version"]) == ("small", release)
    [host, guest] = bill["components"]
    assert host["hashes"] == [sha256(bootstrap("x86_64").read_bytes())]
    assert guest["hashes"] == [sha256((folder / "echo.wasm").read_bytes())]
    assert guest["components"] == [{"type": "file", "name": "components/echo.cwasm", "hashes": [sha256(artifact)]}]
    # Nobody knows what the prebuilt host and the component were linked from.
    assert bill["dependencies"] == [{"ref": "app", "dependsOn": ["bootstrap", "components/echo"]}]
    [composition] = bill["compositions"]
    assert composition == {"aggregate": "unknown", "assemblies": ["components/echo", "bootstrap"]}


def sha256(content):
    return {"alg": "SHA-256", "content": hashlib.sha256(content).hexdigest()}


def test_package_is_written_to_the_app_folder_by_default(run, small_app, bootstrap):
    folder = small_app()
    done = run("package", folder, "--bootstrap", bootstrap("aarch64"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(folder / ".tidegate" / "small-aarch64.zip")
    assert zipfile.is_zipfile(done.stdout.strip())


def test_packages_of_two_folders_are_identical(run, small_app, bootstrap, tmp_path):
    made = []
    for name in ("one", "two"):
        output = tmp_path / f"{name}.zip"
        done = run("package", small_app(name), "--bootstrap", bootstrap("aarch64"), "--output", output)
        assert done.returncode == 0, done.stderr
        made.append(output.read_bytes())
    assert made[0] == made[1]


def test_packages_of_guests_built_in_two_folders_are_identical(run, chat_app, bootstrap, tmp_path):
    # The compiled dependencies are copied, because cargo's home, where their sources are, is the same for both folders.
    # Copies of the sources are newer than the copied artifacts, so cargo compiles the guests again.
    workspace = tmp_path / "repository"
    guests, copied = REPOSITORY / "guest", workspace / "guest"
    ignored = shutil.ignore_patterns("target", ".tidegate")
    shutil.copytree(guests, copied, ignore=ignored, copy_function=shutil.copy)
    for built in ("release", "wasm32-wasip2"):
        shutil.copytree(guests / "target" / built, copied / "target" / built)
    shutil.copytree(REPOSITORY / "wit", workspace / "wit")
    shutil.copy(REPOSITORY / "rust-toolchain.toml", workspace)
    made = []
    for app in (chat_app, copied / "examples" / "chat"):
        output = tmp_path / f"{len(made)}.zip"
        done = run("package", app, "--bootstrap", bootstrap("x86_64"), "--target", "x86_64", "--output", output,
                   seconds=BUILD_SECONDS)
        assert done.returncode == 0, done.stderr
        made.append(output.read_bytes())
    assert "Compiling chat-chat" in done.stderr
    assert made[0] == made[1]


def test_bootstrap_for_another_cpu_is_refused_and_the_old_package_stays(run, small_app, bootstrap, tmp_path):
    output = tmp_path / "small.zip"
    output.write_text("an earlier package")
    done = run("package", small_app(), "--target", "x86_64", "--bootstrap", bootstrap("aarch64"), "--output", output)
    assert_error(done, "bootstrap-invalid", "`aarch64-unknown-linux-gnu`", "`x86_64-unknown-linux-gnu`")
    assert output.read_text() == "an earlier package"


def test_bootstrap_that_is_not_an_executable_is_refused(run, small_app, tmp_path):
    script = tmp_path / "bootstrap.py"
    script.write_text("#!/usr/bin/env python3\n")
    done = run("package", small_app(), "--bootstrap", script)
    assert_error(done, "bootstrap-invalid", script, hint="")


def test_missing_cross_compiler_is_reported(tidegate, small_app, tmp_path):
    # The app needs no program on the path.
    environment = server.environment() | {"PATH": str(tmp_path / "empty")}
    done = subprocess.run(
        [tidegate, "package", small_app()], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
        env=environment,
    )
    assert_error(done, "bootstrap-build-failed", "`cargo-zigbuild`", hint="`pip install cargo-zigbuild ziglang`")


@pytest.mark.parametrize(
    ("guest", "limits", "code"),
    [
        ("chat_chat", "", "component-grant-missing"),
        ("chat_echo", 'limits = { memory = "1MiB" }', "component-memory-above-limit"),
    ],
    ids=["an import without a grant", "more memory than the limit"],
)
def test_invalid_component_is_not_packaged(run, small_app, guests, bootstrap, tmp_path, guest, limits, code):
    folder = small_app()
    shutil.copy(guests(guest), folder / "echo.wasm")
    (folder / "tidegate.toml").write_text(f"{ECHO}{limits}\n")
    done = run("package", folder, "--bootstrap", bootstrap("aarch64"), "--output", tmp_path / "small.zip")
    assert_error(done, code, "routes.echo")
    assert not os.path.exists(tmp_path / "small.zip")
