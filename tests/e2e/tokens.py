"""JSON Web Tokens (RFC 7519) that the program under test did not make: valid, expired and forged ones."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time

HOUR = 3_600


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def make(secret: str, user: str = "ann", *, algorithm: str = "HS256", lives: int = HOUR) -> str:
    """Makes a token that is valid for `lives` seconds. A negative number makes an expired one."""
    now = int(time.time())
    header = {"alg": algorithm, "typ": "JWT"}
    claims = {"sub": user, "iat": now - HOUR, "exp": now + lives}
    signed = ".".join(encode(json.dumps(part).encode()) for part in (header, claims))
    if algorithm == "none":
        return f"{signed}."
    return f"{signed}.{sign(signed, secret)}"


def sign(signed: str, secret: str) -> str:
    """Returns the HS256 signature of a token's header and claims."""
    return encode(hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest())
