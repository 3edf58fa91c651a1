"""A small Lambda package in the form that `tidegate package` writes."""

import json
import zipfile
from pathlib import Path

FINGERPRINT = "5f" * 32
ELF_MACHINES = {"arm64": b"\xb7\x00", "x86_64": b"\x3e\x00"}

CHAT = {
    "name": "chat",
    "route-selection-expression": "$request.body.action",
    "components": ["authorizer", "chat", "connect", "default", "disconnect"],
    "routes": {
        "$connect": {
            "component": "connect",
            "response": False,
            "grants": {
                "connections": {"groups": ["lobby"]},
                "messaging": {"send": "self"},
                "config": ["motd"],
            },
            "limits": {},
        },
        "$default": {"component": "default", "response": True, "grants": {}, "limits": {}},
        "$disconnect": {"component": "disconnect", "response": False, "grants": {}, "limits": {}},
        "chat": {
            "component": "chat",
            "response": True,
            "grants": {
                "storage": {"rooms": "read-write", "bans": "read"},
                "connections": {"describe": True, "list": False, "groups": ["lobby", "room-*"]},
                "messaging": {"send": "self", "broadcast": ["lobby", "room-*"], "close": "self"},
            },
            "limits": {},
        },
    },
    "authorizer": {
        "component": "authorizer",
        "identity-source": ["route.request.header.Authorization"],
        "grants": {"config": ["token-key"]},
        "limits": {},
    },
}

TRUSTED_KEYS = {
    "ci": {"public-key": "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=", "stages": ["dev", "prod"]},
    "old": {"public-key": "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", "revoked": True},
}


def elf(architecture: str) -> bytes:
    """Returns the first bytes of an executable for `architecture`."""
    return b"\x7fELF".ljust(18, b"\x02") + ELF_MACHINES[architecture]


def write_package(
    path: Path, app: dict = CHAT, *, bootstrap: bytes | None = None, mode: int = 0o755, **replaced: str | bytes | None
) -> Path:
    """Writes a package. `replaced` has the content of files by name; None leaves a file out."""
    files = {"app.json": json.dumps(app), "routing-fingerprint": FINGERPRINT + "\n"}
    files["trusted-keys.json"] = json.dumps(TRUSTED_KEYS)
    files |= {f"components/{name}.cwasm": f"artifact of {name}" for name in app["components"]}
    files |= replaced
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(_entry("bootstrap", mode), bootstrap or elf("arm64"))
        for name, text in files.items():
            if text is not None:
                archive.writestr(_entry(name, 0o644), text)
    return path


def _entry(name: str, mode: int) -> zipfile.ZipInfo:
    # A fixed date, so that packages of the same content are equal byte for byte.
    entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    entry.external_attr = (0o100000 | mode) << 16
    return entry
