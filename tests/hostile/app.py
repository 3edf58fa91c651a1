"""The app under attack: the neighbour's routes, and forty routes of the attacker."""

from __future__ import annotations

import shutil
from pathlib import Path

from .attack import Manifest

ROUTES = 40
COMPONENTS = ("guest_hostile", "guest_neighbour")

HEAD = """\
[app]
name = "hostile"
route-selection-expression = "$request.body.action"

[components.hostile]
source = "guest_hostile.wasm"

[components.neighbour]
source = "guest_neighbour.wasm"

[config]
motd = "Mind the gap"

[routes.echo]
component = "neighbour"
response = true

[routes.store]
component = "neighbour"
response = true
grants.storage = { neighbour = "read-write" }
"""

ATTACKER = """
[routes."%(key)s"]
component = "hostile"
grants.storage = { notes = "read-write" }
grants.connections = { describe = true, list = true, attributes = "self", groups = ["*"] }
grants.messaging = { send = "any", broadcast = ["*"], describe = "any", close = "any" }
grants.config = ["motd"]
limits = { memory = "%(memory)s", time = "%(time)s" }
%(more)s
"""

AUTHORIZER = """
[authorizer]
component = "hostile"
identity-source = []
grants.config = ["motd"]
limits = { memory = "%(memory)s", time = "%(time)s" }
"""


# The attacker's route that returns nothing to the client, so that nothing but the host holds its clients back.
ONE_WAY = "one-way"


def route(number: int) -> str:
    """Returns the key of one of the attacker's routes."""
    return f"a{number % ROUTES:02}"


def manifest(parts: Manifest) -> str:
    """Returns the text of `tidegate.toml`."""
    limits = {"memory": parts.memory, "time": parts.time}
    two_way = [ATTACKER % {"key": route(number), "more": "response = true", **limits} for number in range(ROUTES)]
    one_way = [ONE_WAY, "$connect", *(["$disconnect"] if parts.disconnect else [])]
    silent = [ATTACKER % {"key": key, "more": "", **limits} for key in one_way]
    authorizer = [AUTHORIZER % limits] if parts.authorizer else []
    return "".join([HEAD, *two_way, *silent, *authorizer, parts.more])


def write(folder: Path, components: Path, parts: Manifest) -> None:
    """Writes the app into a folder. `components` is the folder of the compiled guests."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in COMPONENTS:
        shutil.copy(components / f"{name}.wasm", folder)
    (folder / "tidegate.toml").write_text(manifest(parts))
