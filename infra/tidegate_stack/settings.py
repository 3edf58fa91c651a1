"""The context values that one synthesis takes: `-c name=value`."""

import re
from dataclasses import dataclass
from pathlib import Path

from aws_cdk import App
from aws_cdk.aws_lambda import Architecture

from .package import ARCHITECTURES, ARM64, Package
from .stages import STAGES, Stage


class SettingsError(Exception):
    """A context value that is missing, unknown or contradictory."""


PARAMETER_STORE = "parameter-store"
SECRETS_MANAGER = "secrets-manager"
CONFIG_SOURCES = (PARAMETER_STORE, SECRETS_MANAGER)

# What hosts may be told of how old a pointer may be, in milliseconds. Below, reading it would cost more than the events
# do; above is the age at which a host reads it again before it serves, whatever it was told.
STALENESS = range(100, 30_000 + 1)
DURATION = re.compile(r"([0-9]{1,6})(ms|s)")
MILLISECONDS = {"ms": 1, "s": 1_000}

NAMES = {
    "stage": "dev, stage or prod; all three when it is missing",
    "package": "the zip that `tidegate package` wrote",
    "architecture": "arm64 or x86_64; what `bootstrap` was built for when it is missing",
    "access-logs": "on (the default), or off where the account has no role for them",
    "alarm-topic": "the ARN of an SNS topic that alarms go to",
    "config-source": "parameter-store (the default) or secrets-manager, where the configuration values are",
    "config-key": "the ARN of the KMS key of the configuration values, when it is not AWS's own",
    "max-staleness": "how old a host's reading of the pointer may be, from 100ms to 30s; 2s when it is missing",
    "callback-url": "another @connections endpoint, for emulators",
    "account": "on: synthesise the account's stack instead, which takes no package",
}


@dataclass(frozen=True)
class Settings:
    """What a stack is made from besides its stage."""

    package: Package
    architecture: Architecture
    access_logs: bool = True
    alarm_topic: str | None = None
    config_source: str = PARAMETER_STORE
    config_key: str | None = None
    max_staleness: str | None = None
    callback_url: str | None = None

    @staticmethod
    def read(app: App) -> "Settings":
        """Reads the context of `app`.

        Raises SettingsError, or PackageError for the package it names.
        """
        path = app.node.try_get_context("package")
        if not path:
            raise SettingsError("no package given; hint: -c package=FILE, which `tidegate package` writes")
        package = Package.read(Path(path))
        return Settings(
            package=package,
            architecture=_architecture(app.node.try_get_context("architecture"), package),
            access_logs=switch(app, "access-logs", default=True),
            alarm_topic=app.node.try_get_context("alarm-topic") or None,
            config_source=_config_source(app.node.try_get_context("config-source")),
            config_key=app.node.try_get_context("config-key") or None,
            max_staleness=_max_staleness(app.node.try_get_context("max-staleness")),
            callback_url=app.node.try_get_context("callback-url") or None,
        )


def stages(app: App) -> list[Stage]:
    """The stages to synthesise."""
    name = app.node.try_get_context("stage")
    if not name:
        return list(STAGES.values())
    if name not in STAGES:
        raise SettingsError(f"no stage `{name}`; there are {', '.join(STAGES)}")
    return [STAGES[name]]


def switch(app: App, name: str, *, default: bool) -> bool:
    """A context value that is on or off."""
    value = app.node.try_get_context(name)
    if value in (None, ""):
        return default
    if value not in ("on", "off"):
        raise SettingsError(f"`{name}` is on or off, not `{value}`")
    return value == "on"


def check_names(app: App) -> None:
    """Refuses unknown names; those of the CDK itself contain a `:` or a `/`."""
    for name in app.node.get_all_context():
        if name not in NAMES and not any(mark in name for mark in ":/"):
            raise SettingsError(f"unknown context value `{name}`; there are {', '.join(NAMES)}")


def _config_source(wanted: str | None) -> str:
    if wanted and wanted not in CONFIG_SOURCES:
        raise SettingsError(f"`config-source` is {' or '.join(CONFIG_SOURCES)}, not `{wanted}`")
    return wanted or PARAMETER_STORE


def _max_staleness(wanted: str | None) -> str | None:
    if not wanted:
        return None
    duration = DURATION.fullmatch(str(wanted))
    if not duration or int(duration[1]) * MILLISECONDS[duration[2]] not in STALENESS:
        raise SettingsError(f"`max-staleness` is from 100ms to 30s, such as `2s` or `500ms`, not `{wanted}`")
    return duration[0]


def _architecture(wanted: str | None, package: Package) -> Architecture:
    name = wanted or package.architecture or ARM64
    if name not in ARCHITECTURES:
        raise SettingsError(f"no architecture `{name}`; there are {' and '.join(ARCHITECTURES)}")
    if package.architecture not in (None, name):
        raise SettingsError(f"`{package.path}` was built for {package.architecture}, not {name}")
    return Architecture.ARM_64 if name == ARM64 else Architecture.X86_64
