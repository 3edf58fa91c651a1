"""Secrets that the tests plant, and the output of every process that they start, in which no secret may be.

`conftest.py` installs `Recorded` in place of `subprocess.Popen`, and checks the whole output at the end of the run.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

# The shortest text that is searched for. A shorter one could occur by chance.
MIN_CHARACTERS = 12
# Programs whose output is not Tidegate's: `openssl` prints keys on request.
OTHERS = {"openssl"}
# Subcommands whose standard output is a secret, because that is their purpose.
PRINTING = {"token", "env"}


@dataclass(frozen=True)
class Output:
    """A text that a process has written, or the file that it wrote to."""

    command: str
    text: str = ""
    file: Path | None = None

    def read(self) -> str:
        if not self.file:
            return self.text
        return self.file.read_text(errors="replace") if self.file.exists() else ""


@dataclass
class Collection:
    """Planted secrets, and the output of processes."""

    secrets: dict[str, str] = field(default_factory=dict)
    outputs: list[Output] = field(default_factory=list)

    def plant(self, kind: str, text: str | None = None) -> str:
        """Registers a secret of a kind, or makes one, and returns it."""
        text = f"planted-{kind.replace(' ', '-')}-{uuid.uuid4().hex}" if text is None else text
        if len(text) >= MIN_CHARACTERS:
            self.secrets[text] = kind
        return text

    def plant_key(self, pem: Path) -> None:
        """Registers a private key by the line of its file, and by the part that is random."""
        for line in pem.read_text().splitlines():
            if not line.startswith("-----"):
                self.plant("signing key", line)
                self.plant("signing key", line[-40:])

    def record(self, command: Any, text: str | bytes | None) -> None:
        if isinstance(text, bytes):
            text = text.decode(errors="replace")
        if text:
            self.outputs.append(Output(str(command), text))

    def record_file(self, command: Any, file: Path) -> None:
        self.outputs.append(Output(str(command), file=file))

    def hits(self) -> list[str]:
        """Returns a line for each secret in an output. The lines do not quote the secrets."""
        forms = [(kind, form) for text, kind in self.secrets.items() for form in variants(text)]
        found = set()
        for output in self.outputs:
            text = output.read()
            command = redacted(output.command, self)
            found |= {f"{kind} in the output of {command}" for kind, form in forms if form in text}
        return sorted(found)


def redacted(command: str, collection: Collection) -> str:
    for text, kind in collection.secrets.items():
        command = command.replace(text, f"({kind})")
    return command[:300]


def variants(text: str) -> Iterator[str]:
    """Yields a secret as it is, and in the forms in which a program could print it."""
    yield text
    yield quote(text, safe="")
    yield json.dumps(text)[1:-1]
    yield text.encode().hex()
    for before in range(3):
        # The first and the last characters depend on the text around the secret.
        encoded = base64.b64encode(b"?" * before + text.encode()).decode().rstrip("=")
        yield encoded[4 if before else 0 : -2]


SUITE = Collection()
Popen = subprocess.Popen


class Recorded(Popen):
    """A process whose output is recorded: what `communicate` returns, and files that it writes to."""

    def __init__(self, args: Sequence[Any], *more: Any, **options: Any) -> None:
        super().__init__(args, *more, **options)
        for stream in ("stdout", "stderr"):
            name = getattr(options.get(stream), "name", None)
            if isinstance(name, str) and os.path.isfile(name):
                SUITE.record_file(words(args), Path(name))

    def communicate(self, *args: Any, **options: Any) -> tuple[Any, Any]:
        output, errors = super().communicate(*args, **options)
        command = words(self.args)
        if not command or Path(command[0]).name in OTHERS:
            return output, errors
        if not (len(command) > 1 and command[1] in PRINTING):
            SUITE.record(command, output)
        SUITE.record(command, errors)
        if command[1:3] == ["keys", "new"] and "--output" in command:
            made = Path(command[command.index("--output") + 1])
            if self.returncode == 0 and made.is_file():
                SUITE.plant_key(made)
        return output, errors


def words(args: Any) -> list[str]:
    return [args] if isinstance(args, (str, os.PathLike)) else [os.fsdecode(arg) for arg in args]
