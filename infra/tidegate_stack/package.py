"""The Lambda zip that `tidegate package` writes, and the app inside it."""

import json
import re
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from . import rules
from .errors import Code, StackError

BOOTSTRAP = "bootstrap"
APP = "app.json"
FINGERPRINT = "routing-fingerprint"
TRUSTED_KEYS = "trusted-keys.json"
CONNECT = "$connect"
DISCONNECT = "$disconnect"

ARM64 = "arm64"
X86_64 = "x86_64"
ARCHITECTURES = (ARM64, X86_64)

# ELF header: the magic at offset 0, and the machine as two little-endian bytes at offset 18.
ELF_MAGIC = b"\x7fELF"
ELF_MACHINE = slice(18, 20)
ELF_ARCHITECTURES = {b"\xb7\x00": ARM64, b"\x3e\x00": X86_64}

HEX = re.compile(r"[0-9a-f]{16,128}")

PACKAGE_HINT = "write the package with `tidegate package`"


@dataclass(frozen=True)
class Grants:
    """The grants of a route or of the authorizer, in the form of `app.json`."""

    storage: dict[str, str] = field(default_factory=dict)
    connections: dict = field(default_factory=dict)
    messaging: dict = field(default_factory=dict)
    config: tuple[str, ...] = ()

    @staticmethod
    def parse(value: dict) -> "Grants":
        """Reads the `grants` of a route or of the authorizer."""
        return Grants(
            storage=dict(value.get("storage", {})),
            connections=dict(value.get("connections") or {}),
            messaging=dict(value.get("messaging") or {}),
            config=tuple(value.get("config", ())),
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
    """The parts of `app.json` that infrastructure depends on."""

    name: str
    route_selection_expression: str
    routes: tuple[Route, ...]
    authorizer: Authorizer | None
    document: dict
    """The whole of `app.json`."""

    def route(self, key: str) -> Route | None:
        """Returns the route with this key, or None."""
        return next((route for route in self.routes if route.key == key), None)


@dataclass(frozen=True)
class Package:
    """A Lambda package."""

    path: Path
    app: App
    routing_fingerprint: str
    architecture: str | None
    """The CPU that `bootstrap` is built for, or None if it is a script."""

    @staticmethod
    def read(path: Path) -> "Package":
        """Reads the zip at `path`.

        Raises StackError if the file is missing, or is not a Lambda package of Tidegate.
        """
        try:
            with zipfile.ZipFile(path) as archive:
                return _read(path, archive)
        except FileNotFoundError:
            what = f"cannot read the package `{path}`"
            raise StackError(Code.PACKAGE_MISSING, what, "no such file", PACKAGE_HINT) from None
        except zipfile.BadZipFile:
            raise _invalid(path, "it is not a zip file") from None


def _read(path: Path, archive: zipfile.ZipFile) -> Package:
    missing = [name for name in (BOOTSTRAP, APP, FINGERPRINT, TRUSTED_KEYS) if name not in archive.namelist()]
    if missing:
        raise _invalid(path, f"it lacks {_quoted_list(missing)}")
    bootstrap = archive.getinfo(BOOTSTRAP)
    if not bootstrap.external_attr >> 16 & 0o111:
        raise _invalid(path, f"`{BOOTSTRAP}` is not executable")
    fingerprint = archive.read(FINGERPRINT).decode("ascii", "replace").strip()
    if not HEX.fullmatch(fingerprint):
        raise _invalid(path, f"`{FINGERPRINT}` is not a hexadecimal digest")
    with archive.open(bootstrap) as file:
        header = file.read(20)
    _check_keys(archive.read(TRUSTED_KEYS), path)
    return Package(path, _app(archive.read(APP), path, archive), fingerprint, _architecture(header, path))


def _check_keys(text: bytes, path: Path) -> None:
    """Refuses keys that a host cannot read: the deployed host would refuse every release."""
    try:
        for name, key in json.loads(text).items():
            if not (isinstance(key["public-key"], str) and isinstance(key.get("stages", []), list)):
                raise TypeError(name)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _invalid(path, f"`{TRUSTED_KEYS}` is not an object of keys by name: {error!r}") from None


def _app(text: bytes, path: Path, archive: zipfile.ZipFile) -> App:
    try:
        document = json.loads(text)
        app, components = _parse_app(document), set(document["components"])
        problem = rules.problem(document)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _invalid_app(path, f"unexpected JSON: {error!r}", PACKAGE_HINT) from None
    if problem:
        raise _invalid_app(path, problem, "change `tidegate.toml`, and package again")
    if not app.routes:
        raise _invalid_app(path, "the app has no routes", "add a route to `tidegate.toml`")
    missing = {f"components/{component}.cwasm" for component in components} - set(archive.namelist())
    if missing:
        raise _invalid(path, f"it lacks {_quoted_list(missing)}")
    if app.authorizer and not app.route(CONNECT):
        why = f"`{app.name}` has an authorizer but no `{CONNECT}` route, on which API Gateway would call it"
        raise _invalid_app(path, why, f"add a `{CONNECT}` route to `tidegate.toml`, or remove the authorizer")
    return app


def _parse_app(document: dict) -> App:
    routes = tuple(
        Route(key, route["response"], Grants.parse(route["grants"]))
        for key, route in sorted(document["routes"].items())
    )
    authorizer = document.get("authorizer")
    if authorizer:
        authorizer = Authorizer(tuple(authorizer["identity-source"]), Grants.parse(authorizer["grants"]))
    return App(document["name"], document["route-selection-expression"], routes, authorizer, document)


def _architecture(header: bytes, path: Path) -> str | None:
    if not header.startswith(ELF_MAGIC):
        return None
    machine = header[ELF_MACHINE]
    if machine not in ELF_ARCHITECTURES:
        raise _invalid(path, f"`{BOOTSTRAP}` is built for a CPU that Lambda does not have")
    return ELF_ARCHITECTURES[machine]


def _invalid(path: Path, why: str) -> StackError:
    return StackError(Code.PACKAGE_INVALID, f"cannot read the package `{path}`", why, PACKAGE_HINT)


def _invalid_app(path: Path, why: str, hint: str) -> StackError:
    return StackError(Code.APP_INVALID, f"cannot use `{APP}` of the package `{path}`", why, hint)


def _quoted_list(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))
