"""Hostile components: truncated, of the wrong kind, too large, too deep."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path

from .planting import make_fifo, make_link, planted, replace_by, write_sparse

MODULE = b"\0asm\x01\0\0\0"
COMPONENT = b"\0asm\x0d\0\x01\0"
CUSTOM, TYPE, IMPORT, FUNCTION, MEMORY, CODE = 0, 1, 2, 3, 5, 10
NESTED = 4


def leb(number: int) -> bytes:
    """Encodes an unsigned number as LEB128."""
    out = bytearray()
    while True:
        number, low = number >> 7, number & 0x7F
        out.append(low | (0x80 if number else 0))
        if not number:
            return bytes(out)


def text(value: str) -> bytes:
    return leb(len(value.encode())) + value.encode()


def vector(items: Iterable[bytes]) -> bytes:
    parts = list(items)
    return leb(len(parts)) + b"".join(parts)


def section(number: int, content: bytes) -> bytes:
    return bytes([number]) + leb(len(content)) + content


def component(folder: Path) -> Path:
    return replace_by(folder / "guest_neighbour.wasm")


def inside(module: bytes) -> bytes:
    """Returns a component that contains a core module."""
    return COMPONENT + section(1, module)


@planted()
def component_empty(folder: Path) -> None:
    """An empty file as a component"""
    component(folder).write_bytes(b"")


@planted()
def component_truncated(folder: Path) -> None:
    """A component without its last byte"""
    whole = (folder / "guest_neighbour.wasm").read_bytes()
    component(folder).write_bytes(whole[:-1])


@planted()
def component_of_noise(folder: Path) -> None:
    """A component whose sections are noise"""
    component(folder).write_bytes(COMPONENT + bytes((number * 7_919) % 251 for number in range(100_000)))


@planted()
def component_is_a_module(folder: Path) -> None:
    """A core module as a component"""
    component(folder).write_bytes(MODULE)


@planted()
def component_with_a_large_section(folder: Path) -> None:
    """A component with a custom section of 512 MiB"""
    size = 512 << 20
    write_sparse(component(folder), size, COMPONENT + bytes([CUSTOM]) + leb(size - 100) + text("x"))


@planted()
def component_of_2_gib(folder: Path) -> None:
    """A component of 2 GiB"""
    write_sparse(component(folder), 2 << 30, COMPONENT)


@planted()
def component_with_many_functions(folder: Path) -> None:
    """A component with 100,000 functions"""
    count = 100_000
    module = MODULE + section(TYPE, vector([b"\x60\0\0"])) + section(FUNCTION, vector([b"\0"] * count))
    module += section(CODE, vector([b"\x02\0\x0b"] * count))
    component(folder).write_bytes(inside(module))


@planted()
def component_with_a_long_function(folder: Path) -> None:
    """A component with a function of 7 MB"""
    body = b"\0" + b"\x41\0\x1a" * 2_400_000 + b"\x0b"
    module = MODULE + section(TYPE, vector([b"\x60\0\0"])) + section(FUNCTION, vector([b"\0"]))
    component(folder).write_bytes(inside(module + section(CODE, vector([leb(len(body)) + body]))))


@planted()
def component_with_deep_blocks(folder: Path) -> None:
    """A component with a function of 500,000 nested blocks"""
    depth = 500_000
    body = b"\0" + b"\x02\x40" * depth + b"\x0b" * depth + b"\x0b"
    module = MODULE + section(TYPE, vector([b"\x60\0\0"])) + section(FUNCTION, vector([b"\0"]))
    component(folder).write_bytes(inside(module + section(CODE, vector([leb(len(body)) + body]))))


@planted()
def component_with_a_large_memory(folder: Path) -> None:
    """A component that begins with 4 GiB of memory"""
    component(folder).write_bytes(inside(MODULE + section(MEMORY, vector([b"\0" + leb(65_536)]))))


@planted()
def component_with_unknown_imports(folder: Path) -> None:
    """A component that imports 10,000 functions with terminal controls in their names"""
    names = (text(f"\x1b[2J{number}") + text("\x1b]0;owned\x07") + b"\0\0" for number in range(10_000))
    module = MODULE + section(TYPE, vector([b"\x60\0\0"])) + section(IMPORT, vector(names))
    component(folder).write_bytes(inside(module))


@planted()
def component_nested(folder: Path) -> None:
    """A component that contains a component, 5,000 times"""
    nested = COMPONENT
    for _ in range(5_000):
        nested = COMPONENT + section(NESTED, nested)
    component(folder).write_bytes(nested)


@planted()
def component_announces_too_much(folder: Path) -> None:
    """A component whose section announces 4 GiB"""
    component(folder).write_bytes(COMPONENT + bytes([1]) + leb(0xFFFF_FFFF) + MODULE)


@planted()
def component_fifo(folder: Path) -> None:
    """A FIFO as a component"""
    make_fifo(component(folder))


@planted()
def component_device(folder: Path) -> None:
    """A link to an endless device as a component"""
    make_link(component(folder), "/dev/zero")


@planted()
def component_is_native_code(folder: Path) -> None:
    """A compiled artifact as a component"""
    elf = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHI", 3, 62, 1)
    component(folder).write_bytes(elf + bytes(4_096))
