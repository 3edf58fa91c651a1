"""Counts of ended events in a file that several processes map into memory. Each process writes to a slot of its own."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

SLOTS = 8
COUNT = struct.Struct("<Q")


class Tally:
    """The attacker's ended events: answered messages, error frames, handshakes and requests."""

    def __init__(self, path: Path, slot: int = 0) -> None:
        # The mapping outlives the file.
        with path.open("r+b") as file:
            self.counts = mmap.mmap(file.fileno(), SLOTS * COUNT.size)
        self.at = slot * COUNT.size
        self.own = 0

    @staticmethod
    def create(path: Path) -> None:
        path.write_bytes(bytes(SLOTS * COUNT.size))

    def add(self, count: int = 1) -> None:
        self.own += count
        COUNT.pack_into(self.counts, self.at, self.own)

    def total(self) -> int:
        return sum(count for (count,) in COUNT.iter_unpack(self.counts[:]))
