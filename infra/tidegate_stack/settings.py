"""The context values of a synthesis: `-c name=value`."""

import re
from dataclasses import dataclass
from pathlib import Path

from aws_cdk import App
from aws_cdk.aws_lambda import Architecture

from .errors import Code, StackError
from .package import ARCHITECTURES, ARM64, PACKAGE_HINT, Package
from .stages import STAGES, Stage

PARAMETER_STORE = "parameter-store"
SECRETS_MANAGER = "secrets-manager"
CONFIG_SOURCES = (PARAMETER_STORE, SECRETS_MANAGER)

# Allowed values of `max-staleness` in milliseconds. Below 100 ms, reading the pointer would cost more than the events
# themselves. Whatever the setting is, a host refreshes a rollout state that is older than 30 s before it serves an
# event.
STALENESS = range(100, 30_000 + 1)
DURATION = re.compile(r"([0-9]{1,6})(ms|s)")
MILLISECONDS = {"ms": 1, "s": 1_000}

NAMES = {
    "stage": "dev, stage or prod; all three if absent",
    "package": "the zip that `tidegate package` writes",
    "architecture": "arm64 or x86_64; the CPU that `bootstrap` is built for if absent",
    "access-logs": "on (the default), or off if the account has no role for access logs",
    "alarm-topic": "the ARN of the SNS topic that receives alarms",
    "config-source": "parameter-store (the default) or secrets-manager: the store of the configuration values",
    "config-key": "the ARN of the KMS key of the configuration values, unless it is the AWS managed key",
    "max-staleness": "the maximum age of a host's rollout state, from 100ms to 30s; 2s if absent",
    "callback-url": "another @connections endpoint, for emulators",
    "account": "on: synthesise the account's stack instead, which needs no package",
}


@dataclass(frozen=True)
class Settings:
    """The input of a stack, apart from its stage."""

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
        """Reads the context of `app`, and the package that it names.

        Raises StackError if a value or the package is missing or invalid.
        """
        path = app.node.try_get_context("package")
        if not path:
            what = "cannot read the context value `package`"
            raise StackError(Code.PACKAGE_MISSING, what, "it is not set", f"pass `-c package=FILE`; {PACKAGE_HINT}")
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
    """Returns the stages to synthesise: the one that the context names, or all."""
    name = app.node.try_get_context("stage")
    if not name:
        return list(STAGES.values())
    if name not in STAGES:
        raise _invalid("stage", name, f"expected one of {', '.join(STAGES)}")
    return [STAGES[name]]


def switch(app: App, name: str, *, default: bool) -> bool:
    """Returns true if the context value `name` is `on`, false if it is `off`, and `default` if it is absent."""
    value = app.node.try_get_context(name)
    if value in (None, ""):
        return default
    if value not in ("on", "off"):
        raise _invalid(name, value, "expected `on` or `off`")
    return value == "on"


def check_names(app: App) -> None:
    """Refuses unknown context names, except those of the CDK itself, which contain a `:` or a `/`."""
    for name in app.node.get_all_context():
        if name not in NAMES and not any(mark in name for mark in ":/"):
            what = f"cannot use the context value `{name}`"
            raise StackError(Code.CONTEXT_UNKNOWN, what, "unknown name", f"use one of {', '.join(NAMES)}")


def _config_source(value: str | None) -> str:
    if value and value not in CONFIG_SOURCES:
        raise _invalid("config-source", value, f"expected `{PARAMETER_STORE}` or `{SECRETS_MANAGER}`")
    return value or PARAMETER_STORE


def _max_staleness(value: str | None) -> str | None:
    if not value:
        return None
    duration = DURATION.fullmatch(str(value))
    if not duration or int(duration[1]) * MILLISECONDS[duration[2]] not in STALENESS:
        raise _invalid("max-staleness", value, "expected `100ms` to `30s`, for example `2s` or `500ms`")
    return duration[0]


def _architecture(value: str | None, package: Package) -> Architecture:
    name = value or package.architecture or ARM64
    if name not in ARCHITECTURES:
        raise _invalid("architecture", name, f"expected `{'` or `'.join(ARCHITECTURES)}`")
    if package.architecture not in (None, name):
        raise StackError(
            Code.ARCHITECTURE_MISMATCH,
            f"cannot use the package `{package.path}` for `{name}`",
            f"its `bootstrap` is built for `{package.architecture}`",
            "leave `architecture` out of the context, or package again with `TARGET` set to the other CPU",
        )
    return Architecture.ARM_64 if name == ARM64 else Architecture.X86_64


def _invalid(name: str, value: str, expected: str) -> StackError:
    return StackError(Code.CONTEXT_INVALID, f"cannot use the context value `{name}={value}`", expected)
