"""All attacks, by name."""

from __future__ import annotations

from . import clients, files, guest_attacks
from .attack import ATTACKS, Attack

__all__ = ["attacks", "clients", "files", "guest_attacks"]


def attacks() -> dict[str, Attack]:
    """Returns all attacks: the imports above register them."""
    return ATTACKS
