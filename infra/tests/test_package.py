import re

import pytest
from fixture_package import CHAT, FINGERPRINT, elf, write_package

from tidegate_stack.errors import Code, StackError
from tidegate_stack.package import Package


def refusal(path) -> StackError:
    with pytest.raises(StackError) as error:
        Package.read(path)
    assert f"`{path}`" in error.value.what
    return error.value


def test_a_package_is_read_with_its_app(package):
    read = Package.read(package)
    assert read.routing_fingerprint == FINGERPRINT
    assert read.architecture == "arm64"
    assert [route.key for route in read.app.routes] == ["$connect", "$default", "$disconnect", "chat"]
    assert [route.key for route in read.app.routes if route.response] == ["$default", "chat"]
    assert read.app.authorizer.identity_source == ("route.request.header.Authorization",)
    assert read.app.document == CHAT
    assert read.app.route("chat").grants.storage == {"rooms": "read-write", "bans": "read"}


@pytest.mark.parametrize(
    ("bootstrap", "architecture"), [(elf("arm64"), "arm64"), (elf("x86_64"), "x86_64"), (b"#!/bin/sh\n", None)]
)
def test_the_architecture_of_a_package_is_that_of_its_bootstrap(tmp_path, bootstrap, architecture):
    assert Package.read(write_package(tmp_path / "p.zip", bootstrap=bootstrap)).architecture == architecture


def test_a_missing_package_is_refused(tmp_path):
    error = refusal(tmp_path / "none.zip")
    assert error.code == Code.PACKAGE_MISSING
    assert "`tidegate package`" in error.hint


def test_a_file_that_is_not_a_zip_is_refused(tmp_path):
    path = tmp_path / "p.zip"
    path.write_text("no zip")
    assert refusal(path).code == Code.PACKAGE_INVALID


@pytest.mark.parametrize(
    ("replaced", "named"),
    [
        ({"app.json": None}, ["app.json"]),
        ({"routing-fingerprint": None}, ["routing-fingerprint"]),
        ({"trusted-keys.json": None}, ["trusted-keys.json"]),
        ({"app.json": None, "trusted-keys.json": None}, ["app.json", "trusted-keys.json"]),
        ({"routing-fingerprint": "not hex"}, ["routing-fingerprint"]),
        ({"components/chat.cwasm": None}, ["components/chat.cwasm"]),
    ],
)
def test_an_incomplete_package_is_refused_with_the_names_of_the_files(tmp_path, replaced, named):
    error = refusal(write_package(tmp_path / "p.zip", **replaced))
    assert error.code == Code.PACKAGE_INVALID
    assert re.findall("`([^`]+)`", error.why) == named
    assert "`tidegate package`" in error.hint


@pytest.mark.parametrize("text", ["{", "[]", '{"name":"chat"}'])
def test_an_app_json_that_is_not_an_app_is_refused(tmp_path, text):
    error = refusal(write_package(tmp_path / "p.zip", **{"app.json": text}))
    assert error.code == Code.APP_INVALID
    assert "`tidegate package`" in error.hint


@pytest.mark.parametrize("keys", ["{}", '{"ci":{"public-key":"MCow","stages":["prod"]},"old":{"public-key":"MCow"}}'])
def test_a_package_may_trust_any_number_of_keys(tmp_path, keys):
    Package.read(write_package(tmp_path / "p.zip", **{"trusted-keys.json": keys}))


@pytest.mark.parametrize(
    "keys",
    [
        "",
        "ci",
        "null",
        "[]",
        '["ci"]',
        '"ci"',
        '{"ci":"MCow"}',
        '{"ci":null}',
        '{"ci":{}}',
        '{"ci":{"public-key":7}}',
        '{"ci":{"public-key":"MCow","stages":"prod"}}',
        "\udcff",
    ],
)
def test_keys_that_a_host_cannot_read_are_refused(tmp_path, keys):
    text = keys.encode("utf-8", "surrogateescape")
    error = refusal(write_package(tmp_path / "p.zip", **{"trusted-keys.json": text}))
    assert error.code == Code.PACKAGE_INVALID
    assert error.why.startswith("`trusted-keys.json` ")


@pytest.mark.parametrize(
    "options", [{"bootstrap": elf("arm64")[:18] + b"\xf3\x00"}, {"mode": 0o644}], ids=["another CPU", "not executable"]
)
def test_a_bootstrap_that_lambda_cannot_run_is_refused(tmp_path, options):
    error = refusal(write_package(tmp_path / "p.zip", **options))
    assert error.code == Code.PACKAGE_INVALID
    assert error.why.startswith("`bootstrap` ")


def app_refusal(tmp_path, app: dict) -> str:
    error = refusal(write_package(tmp_path / "p.zip", app))
    assert error.code == Code.APP_INVALID
    return error.why


def test_an_app_without_routes_is_refused(tmp_path, chat):
    chat["routes"] = {}
    assert "routes" in app_refusal(tmp_path, chat)


def test_an_authorizer_without_a_connect_route_is_refused(tmp_path, chat):
    del chat["routes"]["$connect"]
    assert "`$connect`" in app_refusal(tmp_path, chat)
