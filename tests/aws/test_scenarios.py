"""The chat and handshake tests of `tests/e2e`, unchanged, on the deployed chat."""

from test_chat import *  # noqa: F403
from test_handshake import *  # noqa: F403
