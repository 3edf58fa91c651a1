"""The keys that sign releases: how they are made, and that others read them."""

import json
import shutil
import stat
import subprocess

import pytest
import releases
import signing
from errors import assert_error


def test_new_key_is_private_to_its_owner_and_its_public_half_is_printed(run, tmp_path):
    path = tmp_path / "ci.pem"
    done = run("keys", "new", "ci", "--output", path)
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert releases.table(done.stdout) == {"ci": {"public-key": spki(path), "stages": ["dev"]}}
    assert str(path) in done.stderr and "PRIVATE" not in done.stdout + done.stderr


def test_existing_key_file_is_not_overwritten(run, tmp_path):
    path = tmp_path / "ci.pem"
    path.write_text("kept")
    done = run("keys", "new", "ci", "--output", path)
    assert_error(done, "private-key-exists", f"`{path}`", hint="")
    assert path.read_text() == "kept"


def test_key_is_written_to_the_user_configuration_by_default(tidegate, tmp_path):
    made = subprocess.run(
        [tidegate, "keys", "new", "release-team", "--json"], env={"XDG_CONFIG_HOME": str(tmp_path)},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
    )
    assert made.returncode == 0, made.stderr
    path = tmp_path / "tidegate" / "keys" / "release-team.pem"
    printed = json.loads(made.stdout)
    assert (printed["name"], printed["file"], printed["public-key"]) == ("release-team", str(path), spki(path))
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["", "with space", "../up", "ü"])
def test_invalid_key_name_is_refused(run, tmp_path, name):
    done = run("keys", "new", name, "--output", tmp_path / "key.pem")
    assert done.returncode == 2
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not shutil.which("openssl"), reason="there is no `openssl` to read the key")
def test_keys_are_interchangeable_with_openssl(run, app, tmp_path):
    ours, theirs = app.keys[0], tmp_path / "theirs.pem"
    assert openssl("pkey", "-in", ours, "-noout", "-text").startswith("ED25519 Private-Key:")
    assert spki(ours) in openssl("pkey", "-in", ours, "-pubout")
    openssl("genpkey", "-algorithm", "ed25519", "-out", theirs)
    app.write_manifest(f'[keys.theirs]\npublic-key = "{spki(theirs)}"\nstages = ["dev"]')
    app.keys = [theirs]
    created = app.create(releases.version(9))
    assert app.release("show", created)["trusted"]


def test_each_key_adds_a_signature_and_one_trusted_signature_suffices(run, app, tmp_path):
    other = tmp_path / "other.pem"
    assert run("keys", "new", "other", "--output", other).returncode == 0
    app.keys.append(other)
    created = app.create(releases.version(9))
    shown = app.release("show", created)
    assert [one["trusted"] for one in shown["signatures"]] == [True, False]
    assert shown["trusted"]


def test_signing_key_is_read_from_the_environment(tidegate, app):
    key = app.keys.pop().read_text()
    app.refuse("signing-key-missing", "create", hint="TIDEGATE_SIGNING_KEY")
    app.set_version(releases.version(9))
    done = subprocess.run(
        [tidegate, *app.arguments("create")], env={"TIDEGATE_SIGNING_KEY": key}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["signed-by"] == ["ci"]
    assert "PRIVATE" not in done.stdout + done.stderr


def spki(path):
    """Returns the public half of a private key in the manifest's form."""
    return signing.text(signing.public_key(signing.private_key(path)))


def openssl(*arguments):
    done = subprocess.run(["openssl", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout
