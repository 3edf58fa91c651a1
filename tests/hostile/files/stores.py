"""Hostile stores of releases, caches and keys."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

from .planting import make_fifo, make_link, planted, replace_by, write_sparse

CONTROLS = "\u001b[2J\u001b]0;owned\u0007\u009b31m\u202e"
READ = (
    ("release", "list", "--app", "{app}"), ("release", "status", "--app", "{app}"),
    ("release", "history", "--app", "{app}"),
)
STATUS = (("release", "status", "--app", "{app}"),)
CREATE = (("release", "create", "{app}", "--key", "{app}/key.pem"),)
ID = "0123456789abcdef"


def store(folder: Path) -> Path:
    return folder / ".tidegate" / "releases"


def pointer(folder: Path) -> Path:
    return replace_by(store(folder) / "pointer.json")


@planted(commands=STATUS)
def pointer_fifo(folder: Path) -> None:
    """A FIFO as `pointer.json`"""
    make_fifo(pointer(folder))


@planted(commands=STATUS)
def pointer_device(folder: Path) -> None:
    """A link to an endless device as `pointer.json`"""
    make_link(pointer(folder), "/dev/zero")


@planted(commands=STATUS)
def pointer_of_2_gib(folder: Path) -> None:
    """A `pointer.json` of 2 GiB"""
    write_sparse(pointer(folder), 2 << 30)


@planted(commands=STATUS)
def pointer_of_deep_json(folder: Path) -> None:
    """A `pointer.json` of 1,000,000 nested arrays"""
    pointer(folder).write_text("[" * 1_000_000)


@planted(commands=STATUS)
def pointer_folder(folder: Path) -> None:
    """A folder as `pointer.json`"""
    pointer(folder).mkdir()


@planted(commands=READ, may_succeed=True)
def pointer_with_controls(folder: Path) -> None:
    """A `pointer.json` with terminal controls in its values"""
    state = {"generation": 1, "active": CONTROLS, "updated_by": CONTROLS, "reason": CONTROLS}
    pointer(folder).write_text(json.dumps(state, ensure_ascii=False))


@planted(live=True, commands=(), arguments=("--releases",))
def followed_pointer_fifo(folder: Path) -> None:
    """A FIFO as the `pointer.json` that a server follows"""
    make_fifo(pointer(folder))


@planted(live=True, commands=(), arguments=("--releases",))
def followed_pointer_device(folder: Path) -> None:
    """A link to an endless device as the `pointer.json` that a server follows"""
    make_link(pointer(folder), "/dev/zero")


@planted(live=True, commands=(), arguments=("--releases",))
def followed_pointer_to_nothing(folder: Path) -> None:
    """A `pointer.json` that activates a release which does not exist"""
    state = {"generation": 1, "active": ID, "previous": None, "canary": None}
    pointer(folder).write_text(json.dumps(state))


@planted(live=True, commands=(), arguments=("--releases",))
def followed_release_of_noise(folder: Path) -> None:
    """A release of 256 MiB of noise, with a `pointer.json` that activates it"""
    write_sparse(store(folder) / "releases" / f"{ID}.json", 256 << 20, b'{"payload":"')
    pointer(folder).write_text(json.dumps({"generation": 1, "active": ID}))


@planted(commands=READ, may_succeed=True)
def release_with_controls(folder: Path) -> None:
    """An unsigned release with terminal controls in its names"""
    payload = base64.b64encode(json.dumps({"app": {"name": CONTROLS}, "created_by": CONTROLS}).encode()).decode()
    envelope = {"payloadType": CONTROLS, "payload": payload, "signatures": [{"keyid": CONTROLS, "sig": ""}]}
    path = replace_by(store(folder) / "releases" / f"{ID}.json")
    path.write_text(json.dumps(envelope, ensure_ascii=False))


@planted(commands=(("release", "show", "0123", "--app", "{app}"),))
def release_fifo(folder: Path) -> None:
    """A FIFO as a release"""
    make_fifo(store(folder) / "releases" / f"{ID}.json")


@planted(commands=(("release", "show", "0123", "--app", "{app}"),))
def release_of_2_gib(folder: Path) -> None:
    """A release of 2 GiB"""
    write_sparse(store(folder) / "releases" / f"{ID}.json", 2 << 30)


@planted(commands=READ, may_succeed=True)
def release_names_with_controls(folder: Path) -> None:
    """Releases whose file names contain terminal controls and line feeds"""
    for number in range(50):
        replace_by(store(folder) / "releases" / f"{number}\x1b[2J\n.json").write_text("{}")


@planted(commands=READ, may_succeed=True)
def many_releases(folder: Path) -> None:
    """A store with 5,000 releases that are empty"""
    for number in range(5_000):
        replace_by(store(folder) / "releases" / f"{number:016x}.json").write_text("")


@planted(commands=READ, may_succeed=True)
def status_with_controls(folder: Path) -> None:
    """Status reports with terminal controls in their texts"""
    for kind in ("releases", "halts", "canaries"):
        path = replace_by(store(folder) / "status" / kind / f"{ID}.json")
        path.write_text(json.dumps({"error": CONTROLS, "host": CONTROLS, "reason": CONTROLS}, ensure_ascii=False))


@planted(commands=READ, may_succeed=True)
def status_fifo(folder: Path) -> None:
    """FIFOs as status reports"""
    for kind in ("releases", "halts", "canaries"):
        make_fifo(store(folder) / "status" / kind / f"{ID}.json")


@planted(commands=READ, may_succeed=True)
def history_with_controls(folder: Path) -> None:
    """A history with terminal controls in its reasons"""
    change = {"generation": 1, "action": CONTROLS, "by": CONTROLS, "reason": CONTROLS, "at": CONTROLS}
    path = replace_by(store(folder) / "history" / f"{1:020}.json")
    path.write_text(json.dumps(change, ensure_ascii=False))
    pointer(folder).write_text(json.dumps({"generation": 1}))


@planted(commands=READ, may_succeed=True)
def store_link_out(folder: Path) -> None:
    """A store that is a link to a system folder"""
    store(folder).parent.mkdir(parents=True, exist_ok=True)
    store(folder).symlink_to("/proc/self")


@planted(commands=CREATE)
def key_fifo(folder: Path) -> None:
    """A FIFO as a signing key"""
    make_fifo(folder / "key.pem")


@planted(commands=CREATE)
def key_device(folder: Path) -> None:
    """A link to an endless device as a signing key"""
    make_link(folder / "key.pem", "/dev/zero")


@planted(commands=CREATE, secret="MC4CAQAwBQYDK2VwBCIEIPLANTEDPLANTED")
def key_in_the_wrong_form(folder: Path) -> None:
    """A signing key that was pasted without its line feeds"""
    path = folder / "key.pem"
    path.write_text('"-----BEGIN PRIVATE KEY-----MC4CAQAwBQYDK2VwBCIEIPLANTEDPLANTED-----END PRIVATE KEY-----"')
    path.chmod(0o600)


@planted(commands=(("build", "{app}"),), may_succeed=True)
def cache_of_noise(folder: Path) -> None:
    """A cache of compiled artifacts with files of noise, FIFOs and links to devices"""
    cache = folder / ".tidegate" / "cache"
    for number in range(50):
        replace_by(cache / f"{number:064x}.cwasm").write_bytes(os.urandom(10_000))
    make_fifo(cache / f"{1_000:064x}.cwasm")
    make_link(cache / f"{1_001:064x}.cwasm", "/dev/zero")


@planted(commands=(("build", "{app}"),))
def output_is_a_file(folder: Path) -> None:
    """A file in the place of the folder of outputs"""
    replace_by(folder / ".tidegate").write_text("")


@planted(commands=(("invoke", "echo", "--app", "{app}", "--event", "{app}/event.json"),))
def event_device(folder: Path) -> None:
    """A link to an endless device as the event of `invoke`"""
    make_link(folder / "event.json", "/dev/zero")


@planted(commands=(("invoke", "echo", "--app", "{app}", "--event", "{app}/event.json"),))
def event_of_deep_json(folder: Path) -> None:
    """An event of `invoke` with 1,000,000 nested arrays"""
    (folder / "event.json").write_text("[" * 1_000_000)
