"""Releases that `tidegate` itself does not write: those of a forger or of another version.

A signed release is a DSSE envelope. The signature covers the lengths and bytes of the payload's type and the payload.

https://github.com/secure-systems-lab/dsse/blob/master/protocol.md
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PAYLOAD_TYPE = "application/vnd.tidegate.release+json"

Document = dict[str, Any]


def private_key(path: Path) -> Ed25519PrivateKey:
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    assert isinstance(key, Ed25519PrivateKey)
    return key


def public_key(key: Ed25519PrivateKey) -> bytes:
    """Returns the public half of a key as SubjectPublicKeyInfo (DER)."""
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def document(envelope: Path) -> Document:
    """Reads the release in an envelope."""
    return json.loads(base64.b64decode(json.loads(envelope.read_text())["payload"]))


def release_id(of: Document) -> str:
    """Returns the id of a release: a hash of its app, components and engine."""
    components = {name: component["digest"] for name, component in of["components"].items()}
    content = {"app": of["app"], "components": components, "engine": of["engine"]}
    return hashlib.sha256(compact(content)).hexdigest()[:16]


def forge(store: Path, release: str, key: Path, change: Callable[[Document], None]) -> str:
    """Stores a changed copy of a release, signed by `key`, and returns its id."""
    forged = document(store / "releases" / f"{release}.json")
    change(forged)
    forged_id = release_id(forged)
    (store / "releases" / f"{forged_id}.json").write_text(json.dumps(sign(forged, private_key(key))))
    return forged_id


def sign(of: Document, *keys: Ed25519PrivateKey) -> dict[str, Any]:
    """Returns a signed envelope around a release."""
    payload = compact(of)
    message = b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)
    signatures = [
        {"keyid": hashlib.sha256(public_key(key)).hexdigest()[:16], "sig": text(key.sign(message))}
        for key in keys
    ]
    return {"payloadType": PAYLOAD_TYPE, "payload": text(payload), "signatures": signatures}


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
