"""Client programs that attack the gateway: each function with the decorator `client` is one."""

from . import connections, frames, management, messages, requests

__all__ = ["connections", "frames", "management", "messages", "requests"]
