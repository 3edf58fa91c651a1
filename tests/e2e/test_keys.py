"""The keys that sign releases: how they are made, and that others read them."""

import json
import shutil
import stat
import subprocess

import pytest
import releases
import signing


def test_a_new_key_is_its_users_alone_and_its_public_half_is_printed(run, tmp_path):
    path = tmp_path / "ci.pem"
    done = run("keys", "new", "ci", "--output", path)
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert releases.table(done.stdout) == {"ci": {"public-key": spki(path), "stages": ["dev"]}}
    assert str(path) in done.stderr and "PRIVATE" not in done.stdout + done.stderr


def test_a_key_is_never_replaced(run, tmp_path):
    path = tmp_path / "ci.pem"
    path.write_text("kept")
    done = run("keys", "new", "ci", "--output", path)
    assert done.returncode == 1 and done.stdout == ""
    assert f"cannot write the private key `{path}`" in done.stderr and "hint: " in done.stderr
    assert path.read_text() == "kept"


def test_without_an_output_it_is_in_the_users_configuration(tidegate, tmp_path):
    made = subprocess.run(
        [tidegate, "keys", "new", "release-team", "--json"], env={"XDG_CONFIG_HOME": str(tmp_path)},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
    )
    assert made.returncode == 0, made.stderr
    path = tmp_path / "tidegate" / "keys" / "release-team.pem"
    said = json.loads(made.stdout)
    assert (said["name"], said["file"], said["public-key"]) == ("release-team", str(path), spki(path))
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["", "with space", "../up", "ü"])
def test_a_name_that_no_manifest_could_have_is_refused(run, tmp_path, name):
    done = run("keys", "new", name, "--output", tmp_path / "key.pem")
    assert done.returncode == 2
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not shutil.which("openssl"), reason="there is no `openssl` to read the key")
def test_openssl_reads_the_key_and_tidegate_signs_with_one_of_openssls(run, app, tmp_path):
    ours, theirs = app.keys[0], tmp_path / "theirs.pem"
    assert openssl("pkey", "-in", ours, "-noout", "-text").startswith("ED25519 Private-Key:")
    assert spki(ours) in openssl("pkey", "-in", ours, "-pubout")
    openssl("genpkey", "-algorithm", "ed25519", "-out", theirs)
    app.describe(f'[keys.theirs]\npublic-key = "{spki(theirs)}"\nstages = ["dev"]')
    app.keys = [theirs]
    created = app.create(releases.version(9))
    assert app.do("show", created)["trusted"]


def test_each_key_adds_a_signature_and_one_that_is_trusted_is_enough(run, app, tmp_path):
    other = tmp_path / "other.pem"
    assert run("keys", "new", "other", "--output", other).returncode == 0
    app.keys.append(other)
    created = app.create(releases.version(9))
    shown = app.do("show", created)
    assert [one["trusted"] for one in shown["signatures"]] == [True, False]
    assert shown["trusted"]


def test_a_key_may_be_in_the_environment(tidegate, app):
    key = app.keys.pop().read_text()
    said = app.refuse("create")
    assert "there is no key to sign with" in said and "TIDEGATE_SIGNING_KEY" in said
    app.build(releases.version(9))
    done = subprocess.run(
        [tidegate, *app.line("create")], env={"TIDEGATE_SIGNING_KEY": key}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["signed-by"] == ["ci"]
    assert "PRIVATE" not in done.stdout + done.stderr


def spki(path):
    """The public half of a private key, as the manifest has it."""
    return signing.text(signing.public_key(signing.private_key(path)))


def openssl(*arguments):
    done = subprocess.run(["openssl", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout
