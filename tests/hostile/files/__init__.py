"""Files and folders that attack the command line: each function with the decorator `planted` makes one."""

from . import components, manifests, stores

__all__ = ["components", "manifests", "stores"]
