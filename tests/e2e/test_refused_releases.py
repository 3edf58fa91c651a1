"""Releases and pointers that a host refuses: it reports the reason, and its last good release keeps running."""

import base64
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace

import logs
import pytest
import server
import signing
from releases import UNCHANGED, Client, VersionedApp, version
from server import Server
from waiting import wait_until

ONE, TWO, THREE, FOUR = map(version, range(1, 5))
in_process = pytest.mark.parametrize("backend", [server.IN_PROCESS], indirect=True, ids=lambda backend: backend.name)
TARGET = f"{os.uname().machine}-unknown-linux-gnu"


@dataclass(frozen=True)
class Case:
    """A release that hosts refuse."""

    name: str
    # Makes the release from a published good one, and returns its id.
    make: Callable[[VersionedApp, str], str]
    # Code in the host's log, or of the command's error.
    code: str
    # Value that the reason names.
    value: str = ""


def rewritten(change: Callable[[bytes], bytes]) -> Callable[[VersionedApp, str], str]:
    """Rewrites the file of the signed release."""

    def make(app: VersionedApp, release: str) -> str:
        path = app.envelope(release)
        path.write_bytes(change(path.read_bytes()))
        return release

    return make


def remove_signatures(envelope: bytes) -> bytes:
    return json.dumps(json.loads(envelope) | {"signatures": []}).encode()


def alter_payload(envelope: bytes) -> bytes:
    """Changes a grant without a new signature."""
    parsed = json.loads(envelope)
    payload = base64.b64decode(parsed["payload"]).replace(b'"send":"self"', b'"send":"any"')
    assert len(payload) + 1 == len(base64.b64decode(parsed["payload"]))
    return json.dumps(parsed | {"payload": signing.text(payload)}).encode()


def artifact(change: Callable[[bytes], bytes | None]) -> Callable[[VersionedApp, str], str]:
    """Rewrites the artifact that this machine's hosts load, or removes it."""

    def make(app: VersionedApp, release: str) -> str:
        (component,) = signing.document(app.envelope(release))["components"].values()
        path = app.store / "artifacts" / f"{component['artifacts'][TARGET]['digest']}.cwasm"
        if (changed := change(path.read_bytes())) is None:
            path.unlink()
        else:
            path.write_bytes(changed)
        return release

    return make


def flip_one_bit(contents: bytes) -> bytes:
    middle = len(contents) // 2
    return contents[:middle] + bytes([contents[middle] ^ 1]) + contents[middle + 1 :]


def signed(change: Callable[[signing.Document], None]) -> Callable[[VersionedApp, str], str]:
    """Signs a changed release with the key that hosts trust."""
    return lambda app, release: signing.forge(app.store, release, app.keys[0], change)


def by(key: str) -> Callable[[VersionedApp, str], str]:
    """Signs the release with another key."""
    return lambda app, release: signing.forge(app.store, release, app.folder / key, lambda document: None)


def store_under_another_id(app: VersionedApp, release: str) -> str:
    """Stores a good release under the id of another."""
    other = f"{int(release, 16) ^ 1:016x}"
    app.envelope(other).write_bytes(app.envelope(release).read_bytes())
    return other


def rename_app(document: signing.Document) -> None:
    document["app"]["name"] = "another"


def add_route(document: signing.Document) -> None:
    document["app"]["routes"]["fly"] = document["app"]["routes"]["$default"]


def remove_grants(document: signing.Document) -> None:
    document["app"]["routes"]["$default"]["grants"] = {}


# The tests of host/release and host/runtime have more cases.
HOST_CASES = [
    Case("altered artifact", artifact(flip_one_bit), "artifact-altered", "`version`"),
    Case("ungranted import", signed(remove_grants), "component-grant-missing", "`tidegate:route/messaging@0.1.0`"),
    Case("revoked key", by("revoked.pem"), "key-revoked", "`revoked`"),
    Case("different routing", signed(add_route), "routing-differs", "`fly`"),
]
COMMAND_CASES = [
    Case("revoked key", by("revoked.pem"), "key-revoked"),
    Case("no signature", rewritten(remove_signatures), "release-unsigned"),
    Case("unknown key", by("unknown.pem"), "key-untrusted"),
    Case("key of another stage", by("prod.pem"), "key-untrusted"),
    Case("altered release", rewritten(alter_payload), "release-altered"),
    Case("half a release", rewritten(lambda envelope: envelope[: len(envelope) // 2]), "release-malformed"),
    Case("empty release", rewritten(lambda envelope: b""), "release-malformed"),
    Case("id of another release", store_under_another_id, "release-id-mismatch"),
    Case("missing release", lambda app, release: "0123456789abcdef", "store-not-found"),
    Case("missing artifact", artifact(lambda contents: None), "release-incomplete"),
    Case("later format", signed(lambda document: document.update(format=2)), "release-format"),
    Case("another app", signed(rename_app), "release-other-app"),
]


@dataclass
class Served:
    """A host that follows releases, and a client of it."""

    app: VersionedApp
    ids: dict[str, str]
    client: Client
    running: Server

    def runs_good_release(self) -> bool:
        """Returns true if the last good release answers. A new process of a function runs its package's release."""
        good = {ONE, UNCHANGED} if self.running.bootstraps() else {ONE}
        return self.client.probe() in good


@pytest.fixture
def trusted_keys(run, app):
    """Keys of `app` that its manifest names: trusted, of another stage, and revoked; and one that it does not name."""
    tables = []
    for name, stages, more in (("ci", ["dev"], ""), ("prod", ["prod"], ""), ("revoked", ["dev"], "revoked = true")):
        key = app.folder / f"{name}.pem"
        if not key.exists():
            assert run("keys", "new", name, "--output", key).returncode == 0
        spki = signing.text(signing.public_key(signing.private_key(key)))
        tables.append(f'[keys.{name}]\npublic-key = "{spki}"\nstages = {json.dumps(stages)}\n{more}')
    assert run("keys", "new", "unknown", "--output", app.folder / "unknown.pem").returncode == 0
    app.write_manifest(*tables)


@pytest.fixture
def served(app, ids, trusted_keys, follow, clients):
    """A host that runs an active release."""
    app.release("activate", ids[ONE])
    running = follow()
    (client,) = clients(running)
    wait_until(lambda: client.probe() == ONE)
    return Served(app, ids, client, running)


def write_pointer(app: VersionedApp, release: str) -> None:
    """Activates a release by writing to the store, without the checks of `tidegate release activate`."""
    pointer = json.loads(app.pointer.read_text())
    generation = pointer["generation"] + 1
    change = {
        "generation": generation, "at": 1, "who": "somebody", "action": "activate", "from": pointer["active"],
        "to": release,
    }
    (app.store / "history" / f"{generation:020}.json").write_text(json.dumps(change))
    replace_pointer(app, json.dumps(pointer | {"generation": generation, "active": release}))


def replace_pointer(app: VersionedApp, pointer: str) -> None:
    """Replaces the pointer file atomically."""
    new = app.pointer.with_suffix(".new")
    new.write_text(pointer)
    new.replace(app.pointer)


@pytest.mark.parametrize("case", HOST_CASES, ids=lambda case: case.name)
def test_refused_release_is_reported_and_the_old_one_keeps_running(served, case):
    bad = case.make(served.app, served.ids[THREE])
    write_pointer(served.app, bad)
    reported = wait_until(lambda: reported_failure(served, bad))
    assert case.value in reported["reason"]
    assert served.runs_good_release()

    def log_lines():
        return [line for line in served.running.errors.splitlines() if logs.RELEASE_REFUSED in line]

    assert all(bad in line and case.code in line for line in wait_until(log_lines))


@pytest.mark.parametrize("case", COMMAND_CASES, ids=lambda case: case.name)
def test_activate_refuses_a_release_that_hosts_would_refuse(app, ids, trusted_keys, case):
    app.release("activate", ids[ONE])
    bad = case.make(app, ids[THREE])
    app.refuse(case.code, "activate", bad, "--allow-new-grants", names=[bad])
    assert app.active() == ids[ONE]


def reported_failure(served, release):
    """Returns the failure that hosts report of a release. The old release must keep running meanwhile."""
    assert served.runs_good_release()
    return served.app.release("status")["reports"].get(release, {}).get("failure")


def test_host_follows_the_next_release_after_a_refused_one(served):
    app, client = served.app, served.client
    write_pointer(app, signed(remove_grants)(app, served.ids[THREE]))
    wait_until(lambda: reported_failure(served, app.active()))
    # Its grants are compared with those of the refused release, which has fewer.
    app.release("activate", served.ids[TWO], "--allow-new-grants")
    wait_until(lambda: client.probe() == TWO)


def test_canary_that_does_not_load_serves_no_connection(served):
    app, client = served.app, served.client
    bad = artifact(flip_one_bit)(app, served.ids[THREE])
    app.release("canary", bad, "--percent", "100")
    assert "was altered" in wait_until(lambda: reported_failure(served, bad))["reason"]
    app.release("canary", served.ids[TWO], "--percent", "100")
    wait_until(lambda: client.probe() == TWO)


def test_repaired_artifact_is_loaded_without_another_activation(served):
    app, client = served.app, served.client
    artifacts = app.store / "artifacts"
    whole = {path: path.read_bytes() for path in artifacts.iterdir()}
    write_pointer(app, artifact(lambda contents: contents[:-1])(app, served.ids[THREE]))
    wait_until(lambda: served.runs_good_release() and served.ids[THREE] in app.release("status")["reports"])
    # Publishing the same release again replaces the altered artifact.
    assert app.create(THREE) == served.ids[THREE]
    assert {path: path.read_bytes() for path in artifacts.iterdir()} == whole
    wait_until(lambda: client.probe() == THREE)


# The tests of host/release have other texts that are not a pointer.
def test_invalid_pointer_changes_nothing(served):
    app, client = served.app, served.client
    garbage = '{"generation": 9, "active": "../../etc"}'
    whole = app.pointer.read_text()
    replace_pointer(app, garbage)
    wait_until(lambda: served.runs_good_release() and logs.POINTER_UNREADABLE in served.running.errors)
    for command in (["status"], ["activate", served.ids[TWO]]):
        app.refuse("store-invalid", *command, names=[f"`{app.pointer}`"])
    assert app.pointer.read_text() == garbage
    replace_pointer(app, whole)
    assert served.runs_good_release()
    app.release("activate", served.ids[TWO])
    wait_until(lambda: client.probe() == TWO)


# A process of a function that starts meanwhile has not read a newer pointer.
@in_process
def test_pointer_that_goes_back_is_followed_and_reported(served):
    app, client = served.app, served.client
    old = app.pointer.read_text()
    app.release("activate", served.ids[TWO])
    wait_until(lambda: client.probe() == TWO)
    newer = json.loads(app.pointer.read_text()) | {"generation": 3, "active": served.ids[FOUR]}
    # Somebody mends the pointer by hand.
    replace_pointer(app, old)
    wait_until(lambda: client.probe() == ONE)
    assert logs.POINTER_WENT_BACK in served.running.errors
    replace_pointer(app, json.dumps(newer))
    wait_until(lambda: client.probe() == FOUR)


def test_pointer_is_followed_again_after_a_read_error(served):
    app, client = served.app, served.client
    whole = app.pointer.rename(app.pointer.with_suffix(".whole"))
    app.pointer.mkdir()
    wait_until(lambda: served.runs_good_release() and logs.POINTER_UNREADABLE in served.running.errors)
    wanted = [f"`{app.pointer}`", "it is a folder"]
    app.refuse("store-invalid", "activate", served.ids[TWO], names=wanted)
    app.pointer.rmdir()
    whole.rename(app.pointer)
    app.release("activate", served.ids[TWO])
    wait_until(lambda: client.probe() == TWO)


# A process of a function that starts meanwhile creates the folder again.
@in_process
def test_store_is_followed_again_after_it_was_missing(served):
    app, client = served.app, served.client
    away = app.store.with_name("away")
    app.store.rename(away)
    wait_until(lambda: served.runs_good_release() and logs.POINTER_UNREADABLE in served.running.errors)
    away.rename(app.store)
    app.release("activate", served.ids[TWO])
    wait_until(lambda: client.probe() == TWO)


def test_release_signed_by_a_new_key_runs_after_revocation(run, served, follow, clients):
    """A release that only a revoked key signed must be created again with another key."""
    app = served.app
    first = served.ids[TWO]
    manifest = (app.folder / "tidegate.toml").read_text()
    new = app.folder / "new.pem"
    made = run("keys", "new", "new", "--output", new)
    revoked = manifest.replace('[keys.ci]\n', '[keys.ci]\nrevoked = true\n')
    (app.folder / "tidegate.toml").write_text(revoked + made.stdout)
    served.running.stop()
    running = follow()
    (client,) = clients(running)
    # The active release is signed by the revoked key alone.
    wait_until(lambda: client.probe() and "key-revoked" in running.errors)
    app.refuse("key-revoked", "activate", first, names=[first])
    renewed = replace(app, keys=[new])
    assert renewed.create(TWO) == first
    renewed.release("activate", first)
    wait_until(lambda: client.probe() == TWO)
