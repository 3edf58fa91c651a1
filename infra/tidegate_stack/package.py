"""The Lambda zip that `tidegate package` wrote, and the app inside it."""

import json
import re
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

BOOTSTRAP = "bootstrap"
APP = "app.json"
FINGERPRINT = "routing-fingerprint"
TRUSTED_KEYS = "trusted-keys.json"
CONNECT = "$connect"
DISCONNECT = "$disconnect"

ARM64 = "arm64"
X86_64 = "x86_64"
ARCHITECTURES = (ARM64, X86_64)

# The ELF header: the magic, and the machine as two little-endian bytes at offset 18.
ELF_MAGIC = b"\x7fELF"
ELF_MACHINE = slice(18, 20)
ELF_ARCHITECTURES = {b"\xb7\x00": ARM64, b"\x3e\x00": X86_64}

# What CloudFormation allows in a stack name, which the app's name becomes part of.
NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
# What Parameter Store allows in the last part of a parameter's name.
CONFIG_NAME = re.compile(r"[A-Za-z0-9_.-]{1,255}")
HEX = re.compile(r"[0-9a-f]{16,128}")


class PackageError(Exception):
    """A package from which no stack can be made."""


@dataclass(frozen=True)
class Grants:
    """What a route, or several together, were granted, as `app.json` says it."""

    storage: dict[str, str] = field(default_factory=dict)
    connections: dict = field(default_factory=dict)
    messaging: dict = field(default_factory=dict)
    config: tuple[str, ...] = ()

    @staticmethod
    def parse(value: dict, path: Path) -> "Grants":
        """Reads the `grants` of a route or of the authorizer."""
        config = tuple(value.get("config", ()))
        for name in config:
            if not CONFIG_NAME.fullmatch(name):
                raise PackageError(f"`{name}` in `{path}` cannot be the name of a parameter")
        return Grants(
            storage=dict(value.get("storage", {})),
            connections=dict(value.get("connections") or {}),
            messaging=dict(value.get("messaging") or {}),
            config=config,
        )


@dataclass(frozen=True)
class Route:
    """A route of the API."""

    key: str
    response: bool
    grants: Grants


@dataclass(frozen=True)
class Authorizer:
    """The authorizer of `$connect`."""

    identity_source: tuple[str, ...]
    grants: Grants


@dataclass(frozen=True)
class App:
    """What `app.json` says, as far as infrastructure depends on it."""

    name: str
    route_selection_expression: str
    routes: tuple[Route, ...]
    authorizer: Authorizer | None
    document: dict
    """All that it says."""

    def route(self, key: str) -> Route | None:
        """The route with this key."""
        return next((route for route in self.routes if route.key == key), None)


@dataclass(frozen=True)
class Package:
    """A Lambda package."""

    path: Path
    app: App
    routing_fingerprint: str
    architecture: str | None
    """Of `bootstrap`; none when it is a script."""

    @staticmethod
    def read(path: Path) -> "Package":
        """Reads the zip at `path`.

        Raises PackageError when it is no Lambda package of Tidegate.
        """
        try:
            with zipfile.ZipFile(path) as archive:
                return _read(path, archive)
        except FileNotFoundError:
            raise PackageError(f"no package at `{path}`; hint: `tidegate package` writes one") from None
        except zipfile.BadZipFile:
            raise PackageError(f"`{path}` is not a zip file") from None


def _read(path: Path, archive: zipfile.ZipFile) -> Package:
    missing = [name for name in (BOOTSTRAP, APP, FINGERPRINT, TRUSTED_KEYS) if name not in archive.namelist()]
    if missing:
        raise PackageError(f"`{path}` lacks {_listed(missing)}; hint: `tidegate package` writes one that has all")
    fingerprint = archive.read(FINGERPRINT).decode("ascii", "replace").strip()
    bootstrap = archive.getinfo(BOOTSTRAP)
    if not bootstrap.external_attr >> 16 & 0o111:
        raise PackageError(f"`{BOOTSTRAP}` in `{path}` is not executable")
    if not HEX.fullmatch(fingerprint):
        raise PackageError(f"`{FINGERPRINT}` in `{path}` is not a hexadecimal digest")
    with archive.open(bootstrap) as file:
        header = file.read(20)
    _check_keys(archive.read(TRUSTED_KEYS), path)
    return Package(path, _app(archive.read(APP), path, archive), fingerprint, _architecture(header, path))


def _check_keys(text: bytes, path: Path) -> None:
    """Refuses what no host could read: with it, every release would be refused once the stack is deployed."""
    try:
        for name, key in json.loads(text).items():
            if not (isinstance(key["public-key"], str) and isinstance(key.get("stages", []), list)):
                raise TypeError(name)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PackageError(f"`{TRUSTED_KEYS}` in `{path}` has no keys by name: {error!r}") from None


def _app(text: bytes, path: Path, archive: zipfile.ZipFile) -> App:
    try:
        value = json.loads(text)
        name, components = value["name"], value["components"]
        selection = value["route-selection-expression"]
        routes = tuple(
            Route(key, route["response"], Grants.parse(route["grants"], path))
            for key, route in sorted(value["routes"].items())
        )
        authorizer = value.get("authorizer")
        authorizer = authorizer and Authorizer(
            tuple(authorizer["identity-source"]), Grants.parse(authorizer["grants"], path)
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PackageError(f"`{APP}` in `{path}` is not an app: {error!r}") from None
    if not NAME.fullmatch(name):
        raise PackageError(f"the app's name `{name}` must be letters, digits and hyphens, and begin with a letter")
    if not routes:
        raise PackageError(f"`{APP}` in `{path}` has no routes")
    missing = {f"components/{component}.cwasm" for component in components} - set(archive.namelist())
    if missing:
        raise PackageError(f"`{path}` lacks {_listed(missing)}")
    app = App(name, selection, routes, authorizer, value)
    if authorizer and not app.route(CONNECT):
        raise PackageError(f"`{name}` has an authorizer but no `{CONNECT}` route, on which API Gateway would call it")
    return app


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))


def _architecture(header: bytes, path: Path) -> str | None:
    if not header.startswith(ELF_MAGIC):
        return None
    machine = header[ELF_MACHINE]
    if machine not in ELF_ARCHITECTURES:
        raise PackageError(f"`{BOOTSTRAP}` in `{path}` is for a CPU that Lambda does not have")
    return ELF_ARCHITECTURES[machine]
