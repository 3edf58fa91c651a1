"""Hostile manifests and `.env` files."""

from __future__ import annotations

import os
from pathlib import Path

from .planting import make_fifo, make_link, planted, replace_by, write_sparse

ESCAPES = r"\u001b[2J\u001b]0;owned\u0007\u009b31m\u202e"


def manifest(folder: Path) -> Path:
    return folder / "tidegate.toml"


def add(folder: Path, text: str) -> None:
    """Adds text to the manifest of the victim."""
    with manifest(folder).open("a") as file:
        file.write(text)


@planted()
def manifest_of_2_gib(folder: Path) -> None:
    """A manifest of 2 GiB of NUL"""
    write_sparse(manifest(folder), 2 << 30)


@planted()
def manifest_of_long_comments(folder: Path) -> None:
    """A manifest with 64 MiB of comments"""
    add(folder, f"# {'x' * 1_000}\n" * 65_000)


@planted()
def manifest_of_deep_arrays(folder: Path) -> None:
    """A manifest with 100,000 nested arrays"""
    add(folder, f"deep = {'[' * 100_000}{']' * 100_000}\n")


@planted()
def manifest_of_deep_tables(folder: Path) -> None:
    """A manifest with a key of 50,000 parts"""
    add(folder, f"[{'.'.join(['a'] * 50_000)}]\n")


@planted()
def manifest_of_many_routes(folder: Path) -> None:
    """A manifest with 20,000 routes"""
    add(folder, "".join(f'[routes."r{number}"]\ncomponent = "neighbour"\n' for number in range(20_000)))


@planted()
def manifest_fifo(folder: Path) -> None:
    """A FIFO as the manifest"""
    make_fifo(manifest(folder))


@planted()
def manifest_device(folder: Path) -> None:
    """A link to an endless device as the manifest"""
    make_link(manifest(folder), "/dev/zero")


@planted()
def manifest_folder(folder: Path) -> None:
    """A folder as the manifest"""
    replace_by(manifest(folder)).mkdir()


@planted()
def manifest_link_loop(folder: Path) -> None:
    """A link to itself as the manifest"""
    make_link(manifest(folder), "tidegate.toml")


@planted()
def manifest_not_text(folder: Path) -> None:
    """A manifest that is not UTF-8"""
    manifest(folder).write_bytes(b'[app]\nname = "\xff\xfe\x1b[2J"\n')


@planted()
def manifest_with_controls(folder: Path) -> None:
    """Names with terminal controls in the manifest"""
    add(folder, f'[routes."{ESCAPES}"]\ncomponent = "{ESCAPES}"\n"{ESCAPES}" = 1\n')


@planted()
def manifest_with_controls_in_a_value(folder: Path) -> None:
    """A source and a build command with terminal controls in the manifest"""
    text = manifest(folder).read_text()
    manifest(folder).write_text(text.replace("guest_neighbour.wasm", f"{ESCAPES}.wasm"))


@planted()
def source_outside(folder: Path) -> None:
    """A source outside of the app's folder"""
    text = manifest(folder).read_text()
    manifest(folder).write_text(text.replace("guest_neighbour.wasm", "../" * 40 + "etc/hostname"))


@planted(commands=(("token", "ann", "--app", "{app}"),))
def env_fifo(folder: Path) -> None:
    """A FIFO as `.env`"""
    make_fifo(folder / ".env")


@planted(commands=(("token", "ann", "--app", "{app}"),))
def env_device(folder: Path) -> None:
    """A link to an endless device as `.env`"""
    make_link(folder / ".env", "/dev/zero")


@planted(commands=(("token", "ann", "--app", "{app}"),))
def env_of_1_gib(folder: Path) -> None:
    """A `.env` of 1 GiB without a line feed"""
    write_sparse(folder / ".env", 1 << 30, b"jwt-secret=")


@planted(commands=(("token", "ann", "--app", "{app}"),), secret="planted-secret-7f3a")
def env_not_parsed(folder: Path) -> None:
    """A `.env` with a secret on a line that cannot be parsed"""
    (folder / ".env").write_text('jwt-secret="planted-secret-7f3a\nplanted-secret-7f3a planted\n')


@planted(
    commands=(("token", "ann", "--app", "{app}"),), may_succeed=True, secret="planted-secret-7f3a",
    environment=(("PLANTED", "planted-secret-7f3a"),),
)
def env_expansions(folder: Path) -> None:
    """A `.env` with commands and variables to expand"""
    (folder / ".env").write_text("jwt-secret=\"${PLANTED}$(touch spoiled)`touch spoiled`${jwt-secret}\"\n")


@planted(live=True, commands=())
def running_manifest_fifo(folder: Path) -> None:
    """A FIFO in the place of the manifest of the app that runs"""
    make_fifo(manifest(folder))


@planted(live=True, commands=())
def running_component_truncated(folder: Path) -> None:
    """Half of a component in the place of one that runs"""
    path = folder / "guest_hostile.wasm"
    whole = path.read_bytes()
    replace_by(path).write_bytes(whole[: len(whole) // 2])


@planted(live=True, commands=())
def running_env_device(folder: Path) -> None:
    """A link to an endless device as the `.env` of the app that runs"""
    make_link(folder / ".env", "/dev/zero")


@planted(live=True, commands=())
def running_manifest_unreadable(folder: Path) -> None:
    """A manifest of the app that runs without permission to read it"""
    os.chmod(manifest(folder), 0)
