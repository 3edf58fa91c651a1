import pytest
from fixture_package import CHAT, FINGERPRINT, elf, write_package

from tidegate_stack.package import Package, PackageError


def refusal(path) -> str:
    with pytest.raises(PackageError) as error:
        Package.read(path)
    return str(error.value)


def test_a_package_says_what_infrastructure_needs(package):
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
def test_the_architecture_is_that_of_the_bootstrap(tmp_path, bootstrap, architecture):
    assert Package.read(write_package(tmp_path / "p.zip", bootstrap=bootstrap)).architecture == architecture


def test_a_missing_file_names_the_command_that_writes_it(tmp_path):
    assert "hint: `tidegate package`" in refusal(tmp_path / "none.zip")


def test_what_is_no_zip_is_refused(tmp_path):
    path = tmp_path / "p.zip"
    path.write_text("no zip")
    assert "is not a zip file" in refusal(path)


@pytest.mark.parametrize(
    ("replaced", "said"),
    [
        ({"app.json": None}, "lacks `app.json`; hint: `tidegate package`"),
        ({"routing-fingerprint": None}, "lacks `routing-fingerprint`; hint"),
        ({"trusted-keys.json": None}, "lacks `trusted-keys.json`; hint"),
        ({"app.json": None, "trusted-keys.json": None}, "lacks `app.json`, `trusted-keys.json`; hint"),
        ({"routing-fingerprint": "not hex"}, "is not a hexadecimal digest"),
        ({"app.json": "{"}, "is not an app"),
        ({"app.json": "[]"}, "is not an app"),
        ({"app.json": '{"name":"chat"}'}, "is not an app"),
        ({"components/chat.cwasm": None}, "lacks `components/chat.cwasm`"),
    ],
)
def test_an_incomplete_package_is_refused_by_what_it_lacks(tmp_path, replaced, said):
    assert said in refusal(write_package(tmp_path / "p.zip", **replaced))


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
def test_keys_that_no_host_could_read_are_refused(tmp_path, keys):
    text = keys.encode("utf-8", "surrogateescape")
    said = refusal(write_package(tmp_path / "p.zip", **{"trusted-keys.json": text}))
    assert "`trusted-keys.json` in " in said
    assert "has no keys by name" in said


def test_a_bootstrap_for_another_cpu_is_refused(tmp_path):
    foreign = elf("arm64")[:18] + b"\xf3\x00"
    assert "for a CPU that Lambda does not have" in refusal(write_package(tmp_path / "p.zip", bootstrap=foreign))


def test_a_bootstrap_that_cannot_be_executed_is_refused(tmp_path):
    assert "is not executable" in refusal(write_package(tmp_path / "p.zip", mode=0o644))


def test_an_app_without_routes_is_refused(tmp_path, chat):
    chat["routes"] = {}
    assert "has no routes" in refusal(write_package(tmp_path / "p.zip", chat))


def test_an_authorizer_needs_a_connect_route(tmp_path, chat):
    del chat["routes"]["$connect"]
    assert "no `$connect` route" in refusal(write_package(tmp_path / "p.zip", chat))


def test_a_name_that_no_stack_can_have_is_refused(tmp_path, chat):
    chat["name"] = "chat app"
    assert "`chat app`" in refusal(write_package(tmp_path / "p.zip", chat))


def test_a_config_name_that_would_reach_elsewhere_is_refused(tmp_path, chat):
    chat["routes"]["chat"]["grants"]["config"] = ["../prod/key"]
    assert "`../prod/key`" in refusal(write_package(tmp_path / "p.zip", chat))
