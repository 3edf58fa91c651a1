"""What is wrong with a release, or with the pointer: the host says so, and the last good release goes on."""

import base64
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
import server
import signing
from releases import UNCHANGED, Client, Versions, version
from server import Server
from waiting import wait_until

ONE, TWO, THREE, FOUR = map(version, range(1, 5))
in_process = pytest.mark.parametrize("backend", [server.IN_PROCESS], indirect=True, ids=lambda backend: backend.name)
X86, ARM = "x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"
HERE, ELSEWHERE = (X86, ARM) if os.uname().machine == "x86_64" else (ARM, X86)


@dataclass(frozen=True)
class Case:
    """A release that no host may run."""

    name: str
    # Makes it from a good one, which is published, and returns its id.
    make: Callable[[Versions, str], str]
    # What the host says of it.
    reason: str
    # What `activate` says of it, where that is not the same; none where only a host can know.
    command: str | None = ""


def rewritten(change: Callable[[bytes], bytes]) -> Callable[[Versions, str], str]:
    """Writes other bytes in the place of the signed release."""

    def make(app: Versions, release: str) -> str:
        path = app.envelope(release)
        path.write_bytes(change(path.read_bytes()))
        return release

    return make


def unsigned(envelope: bytes) -> bytes:
    return json.dumps(json.loads(envelope) | {"signatures": []}).encode()


def altered(envelope: bytes) -> bytes:
    """The release with a grant that nobody signed."""
    parsed = json.loads(envelope)
    payload = base64.b64decode(parsed["payload"]).replace(b'"send":"self"', b'"send":"any"')
    assert len(payload) + 1 == len(base64.b64decode(parsed["payload"]))
    return json.dumps(parsed | {"payload": signing.text(payload)}).encode()


def artifact(change: Callable[[bytes], bytes | None]) -> Callable[[Versions, str], str]:
    """Writes other bytes in the place of what this machine's hosts load, or removes it."""

    def make(app: Versions, release: str) -> str:
        (component,) = signing.document(app.envelope(release))["components"].values()
        path = app.store / "artifacts" / f"{component['artifacts'][HERE]['digest']}.cwasm"
        if (changed := change(path.read_bytes())) is None:
            path.unlink()
        else:
            path.write_bytes(changed)
        return release

    return make


def one_bit_less(contents: bytes) -> bytes:
    middle = len(contents) // 2
    return contents[:middle] + bytes([contents[middle] ^ 1]) + contents[middle + 1 :]


def signed(change: Callable[[signing.Document], None]) -> Callable[[Versions, str], str]:
    """Signs another release, with the key that hosts trust."""
    return lambda app, release: signing.forge(app.store, release, app.keys[0], change)


def by(key: str) -> Callable[[Versions, str], str]:
    """Signs the release with another key."""
    return lambda app, release: signing.forge(app.store, release, app.folder / key, lambda document: None)


def taken_for_another(app: Versions, release: str) -> str:
    """Stores a good release under an id that is not its own."""
    other = f"{int(release, 16) ^ 1:016x}"
    app.envelope(other).write_bytes(app.envelope(release).read_bytes())
    return other


def garbage(app: Versions, release: str) -> str:
    """Signs what is no compiled component."""
    bytes_ = b"\x7fELF, and no more"
    digest = hashlib.sha256(bytes_).hexdigest()
    (app.store / "artifacts" / f"{digest}.cwasm").write_bytes(bytes_)

    def change(document: signing.Document) -> None:
        (component,) = document["components"].values()
        component["artifacts"][HERE] = {"digest": digest, "size": len(bytes_)}

    return signing.forge(app.store, release, app.keys[0], change)


def only_elsewhere(document: signing.Document) -> None:
    document["targets"].pop(HERE)
    for component in document["components"].values():
        component["artifacts"].pop(HERE)


def renamed(document: signing.Document) -> None:
    document["app"]["name"] = "another"


def rerouted(document: signing.Document) -> None:
    document["app"]["routes"]["fly"] = document["app"]["routes"]["$default"]


def ungranted(document: signing.Document) -> None:
    document["app"]["routes"]["$default"]["grants"] = {}


def squeezed(document: signing.Document) -> None:
    document["app"]["routes"]["$default"]["limits"]["memory"] = "1MiB"


CASES = [
    Case("no signature", rewritten(unsigned), "it is not signed"),
    Case("an unknown key", by("unknown.pem"), "and the stage `dev` trusts none of them; hint: "),
    Case("a key of another stage", by("prod.pem"), "and the stage `dev` trusts none of them; hint: "),
    Case("a revoked key", by("revoked.pem"), "it is signed by the key `revoked`, which was revoked; hint: "),
    Case("an altered release", rewritten(altered), "the signature of the key `ci` does not match"),
    Case("half a release", rewritten(lambda it: it[: len(it) // 2]), "it is no signed release of Tidegate", "EOF"),
    Case("an empty release", rewritten(lambda it: b""), "it is no signed release of Tidegate", "EOF"),
    Case("another release", taken_for_another, "it is the release `"),
    Case("no release", lambda app, release: "0123456789abcdef", "there is no release `0123456789abcdef`"),
    Case("an altered artifact", artifact(one_bit_less), "the artifact of the component `version` was altered", None),
    Case("half an artifact", artifact(lambda it: it[: len(it) // 2]), "was altered: its digest is", None),
    Case("no artifact", artifact(lambda it: None), "there is no artifact `", "is not complete"),
    Case("garbage, signed", garbage, "cannot load the artifact `version`: not a compiled component", None),
    Case(
        "another format", signed(lambda it: it.update(format=2)),
        "it is of format 2, and this version of Tidegate knows format 1",
    ),
    Case(
        "another engine", signed(lambda it: it.update(engine="wasmtime-1.0.0/1")),
        "it is for the engine `wasmtime-1.0.0/1`, and this host is `wasmtime-", None,
    ),
    Case(
        "another CPU", signed(lambda it: it["targets"].update({HERE: "one-of-tomorrow"})),
        "it is for the CPU `one-of-tomorrow`, and this host is `", None,
    ),
    Case("another machine", signed(only_elsewhere), f"it is for the target `{ELSEWHERE}`, and this host is", None),
    Case(
        "another WIT package", signed(lambda it: it.update(wit="0.9.0")),
        "it is for the WIT package `0.9.0`, and this host is `0.1.", None,
    ),
    Case("another app", signed(renamed), "it is a release of the app `another`", "is a release of the app `another`"),
    Case("another routing", signed(rerouted), "its routing differs from what was deployed", "their responses (`fly`)"),
    Case(
        "an import without a grant", signed(ungranted),
        "imports `tidegate:route/messaging@0.1.0`, but the route is granted nothing of it; hint: ", None,
    ),
    Case("more memory than its limit", signed(squeezed), "above the limit of 1048576; hint: raise", None),
]


@dataclass
class Served:
    """A host that follows, and one of its clients."""

    app: Versions
    ids: dict[str, str]
    client: Client
    running: Server

    def goes_on(self) -> bool:
        """Whether the last good release answers. A process that starts knows only its package's."""
        good = {ONE, UNCHANGED} if self.running.bootstraps() else {ONE}
        return self.client.ask() in good


@pytest.fixture
def served(run, app, ids, follow, clients):
    """A host that trusts one key and knows others, on which a release runs."""
    tables = []
    for name, stages, more in (("ci", ["dev"], ""), ("prod", ["prod"], ""), ("revoked", ["dev"], "revoked = true")):
        key = app.folder / f"{name}.pem"
        if not key.exists():
            assert run("keys", "new", name, "--output", key).returncode == 0
        spki = signing.text(signing.public_key(signing.private_key(key)))
        tables.append(f'[keys.{name}]\npublic-key = "{spki}"\nstages = {json.dumps(stages)}\n{more}')
    assert run("keys", "new", "unknown", "--output", app.folder / "unknown.pem").returncode == 0
    app.describe(*tables)
    app.do("activate", ids[ONE])
    running = follow()
    (client,) = clients(running)
    wait_until(lambda: client.ask() == ONE)
    return Served(app, ids, client, running)


def point(app: Versions, release: str) -> None:
    """Moves the pointer as somebody would who may write everything: without asking `tidegate`."""
    pointer = json.loads(app.pointer.read_text())
    generation = pointer["generation"] + 1
    change = {
        "generation": generation, "at": 1, "who": "somebody", "action": "activate", "from": pointer["active"],
        "to": release,
    }
    (app.store / "history" / f"{generation:020}.json").write_text(json.dumps(change))
    put(app, json.dumps(pointer | {"generation": generation, "active": release}))


def put(app: Versions, pointer: str) -> None:
    """Puts a pointer in the place of the one that is there."""
    new = app.pointer.with_suffix(".new")
    new.write_text(pointer)
    new.replace(app.pointer)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_release_that_no_host_may_run_is_refused_and_reported(served, case):
    app = served.app
    bad = case.make(app, served.ids[THREE])
    if case.command is not None:
        assert (case.command or case.reason) in app.refuse("activate", bad, "--allow-new-grants")
        assert app.active() == served.ids[ONE]
    point(app, bad)
    reported = wait_until(lambda: failure(served, bad))
    assert case.reason in reported["reason"]
    assert served.goes_on()
    lines = wait_until(lambda: [it for it in served.running.errors.splitlines() if "cannot run the release" in it])
    assert all(bad in line for line in lines)


def failure(served, release):
    """What hosts report of a release that they do not run, while the one before goes on."""
    assert served.goes_on()
    return served.app.do("status")["reports"].get(release, {}).get("failure")


def test_after_a_release_that_is_refused_another_is_followed(served):
    app, client = served.app, served.client
    point(app, signed(ungranted)(app, served.ids[THREE]))
    wait_until(lambda: failure(served, app.active()))
    # It may do more than the one that was to be active, which is what it is compared with.
    app.do("activate", served.ids[TWO], "--allow-new-grants")
    wait_until(lambda: client.ask() == TWO)


def test_a_canary_that_does_not_load_takes_nobody(served):
    app, client = served.app, served.client
    bad = artifact(one_bit_less)(app, served.ids[THREE])
    app.do("canary", bad, "--percent", "100")
    assert "was altered" in wait_until(lambda: failure(served, bad))["reason"]
    app.do("canary", served.ids[TWO], "--percent", "100")
    wait_until(lambda: client.ask() == TWO)


def test_an_artifact_that_is_mended_is_loaded_without_another_activation(served):
    app, client = served.app, served.client
    artifacts = app.store / "artifacts"
    whole = {path: path.read_bytes() for path in artifacts.iterdir()}
    point(app, artifact(lambda it: it[:-1])(app, served.ids[THREE]))
    wait_until(lambda: served.goes_on() and served.ids[THREE] in app.do("status")["reports"])
    # Publishing the same again puts the whole artifact in the place of the altered one.
    assert app.create(THREE) == served.ids[THREE]
    assert {path: path.read_bytes() for path in artifacts.iterdir()} == whole
    wait_until(lambda: client.ask() == THREE)


@pytest.mark.parametrize(
    "garbage", ["", "{", "null", '{"generation": -1}', '{"generation": 9, "active": "../../etc"}', "\0" * 100, "[]"],
    ids=["empty", "half", "null", "no generation", "a path", "zeros", "a list"],
)
def test_a_pointer_that_makes_no_sense_changes_nothing(served, garbage):
    app, client = served.app, served.client
    whole = app.pointer.read_text()
    put(app, garbage)
    wait_until(lambda: served.goes_on() and "cannot read the pointer" in served.running.errors)
    assert f"`{app.pointer}` is no pointer" in app.refuse("status")
    assert "is no pointer" in app.refuse("activate", served.ids[TWO])
    assert app.pointer.read_text() == garbage
    put(app, whole)
    assert served.goes_on()
    app.do("activate", served.ids[TWO])
    wait_until(lambda: client.ask() == TWO)


# A process of a function that starts meanwhile has seen no newer one.
@in_process
def test_a_pointer_of_before_is_not_followed_back(served):
    app, client = served.app, served.client
    old = app.pointer.read_text()
    app.do("activate", served.ids[TWO])
    wait_until(lambda: client.ask() == TWO)
    newer = json.loads(app.pointer.read_text()) | {"generation": 3, "active": served.ids[FOUR]}
    put(app, old)
    # The host has seen both when it has seen the second.
    put(app, json.dumps(newer))
    answered = {TWO}
    while FOUR not in answered:
        answered.add(client.ask())
    assert answered == {TWO, FOUR}


def test_a_pointer_that_cannot_be_read_for_a_while_is_followed_again(served):
    app, client = served.app, served.client
    whole = app.pointer.rename(app.pointer.with_suffix(".whole"))
    app.pointer.mkdir()
    wait_until(lambda: served.goes_on() and "cannot read the pointer" in served.running.errors)
    assert f"cannot read `{app.pointer}`: Is a directory" in app.refuse("activate", served.ids[TWO])
    app.pointer.rmdir()
    whole.rename(app.pointer)
    app.do("activate", served.ids[TWO])
    wait_until(lambda: client.ask() == TWO)


# A process of a function that starts meanwhile makes the folder anew.
@in_process
def test_a_store_that_is_gone_for_a_while_is_followed_again(served):
    app, client = served.app, served.client
    away = app.store.with_name("away")
    app.store.rename(away)
    wait_until(lambda: served.goes_on() and "cannot read the pointer" in served.running.errors)
    away.rename(app.store)
    app.do("activate", served.ids[TWO])
    wait_until(lambda: client.ask() == TWO)


def test_a_release_signed_anew_after_its_key_was_revoked_runs(run, served, follow, clients):
    """What `[keys]` says of a key is deployed; a release that only it signed is created anew with another."""
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
    # The active release is one that this host does not believe.
    wait_until(lambda: client.ask() and "which was revoked" in running.errors)
    assert "which was revoked" in app.refuse("activate", first)
    renewed = replace(app, keys=[new])
    assert renewed.create(TWO) == first
    renewed.do("activate", first)
    wait_until(lambda: client.ask() == TWO)
