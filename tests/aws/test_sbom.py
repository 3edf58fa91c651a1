"""The bill of materials in the package that is deployed: valid, and complete for the host."""

import hashlib
import json
import platform
import re
import tomllib
import zipfile

import pytest
from conftest import REPOSITORY, package_for
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

BILL = "sbom.cdx.json"
# The path of a source file of a crate, which the messages of its panics contain.
SOURCE = re.compile(rb"cargo/registry/src/[^/]+/([A-Za-z0-9_-]+?)-(\d+\.\d+\.\d+[^/\0]*)/src/")


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    """The files of the chat's package for this machine."""
    with zipfile.ZipFile(package_for(platform.machine())) as package:
        return {name: package.read(name) for name in package.namelist()}


@pytest.fixture(scope="module")
def bill(files) -> dict:
    return json.loads(files[BILL])


@pytest.fixture(scope="module")
def crates(bill) -> dict[tuple[str, str], dict]:
    """The listed libraries, by name and version."""
    listed = [part for part in bill["components"] if part["type"] == "library"]
    crates = {(part["name"], part["version"]): part for part in listed}
    assert len(crates) == len(listed), "a crate is listed twice"
    return crates


def test_bill_obeys_the_schema_of_cyclonedx(files):
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(files[BILL].decode()) is None


def test_every_crate_whose_code_is_in_the_host_is_listed(files, crates):
    found = {(name.decode(), version.decode()) for name, version in SOURCE.findall(files["bootstrap"])}
    assert len(found) > 20, "the host names few of its sources"
    assert found <= crates.keys()


def test_crates_are_those_of_the_lock_file(bill, crates):
    lock = tomllib.loads((REPOSITORY / "Cargo.lock").read_text())["package"]
    checksums = {(one["name"], one["version"]): one.get("checksum") for one in lock}
    listed = {crate: part for crate, part in crates.items() if crate[0] != "std"}
    assert {crate: digest(part) for crate, part in listed.items()} == {crate: checksums[crate] for crate in listed}
    references = {part["bom-ref"] for part in bill["components"]} | {"app"}
    edges = {entry["ref"]: entry["dependsOn"] for entry in bill["dependencies"]}
    assert {end for ends in edges.values() for end in ends} | edges.keys() <= references
    assert edges["bootstrap"][0].startswith("tidegate-lambda@")
    assert {"tokio", "wasmtime", "tidegate-runtime"} <= {name for name, _ in listed}
    assert not {"cranelift-codegen", "serde_derive", "tidegate-gateway"} & {name for name, _ in listed}


def test_files_have_their_digests(files, bill):
    parts = {part["bom-ref"]: part for part in bill["components"]}
    assert digest(parts["bootstrap"]) == sha256(files["bootstrap"])
    artifacts = [inner for part in bill["components"] for inner in part.get("components", [])]
    assert {one["name"]: digest(one) for one in artifacts} == {
        name: sha256(content) for name, content in files.items() if name.endswith(".cwasm")
    }


def digest(part: dict) -> str | None:
    """Returns the SHA-256 of an entry, if it has one."""
    return next((entry["content"] for entry in part.get("hashes", [])), None)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
