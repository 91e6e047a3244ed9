"""Standard Webhooks signatures (v1): HMAC-SHA-256 over `id.timestamp.body`. Pure."""

import base64
import binascii
import hmac
from collections.abc import Sequence
from hashlib import sha256

#: The specification asks for 24 to 64 bytes.
_SHORTEST = 24


def webhook_key(secret: str) -> bytes:
    """Decode `whsec_<base64>`; raises ValueError (without the secret) when it is none."""
    prefix, _, encoded = secret.partition("_")
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if prefix != "whsec" or len(key) < _SHORTEST:
        raise ValueError("not a whsec_… secret: whsec_ and base64 of 24 to 64 random bytes")
    return key


def signature_headers(
    keys: Sequence[bytes], message_id: str, timestamp_s: int, body: bytes
) -> dict[str, str]:
    """Return the three headers; with two keys, two signatures, so the receiver may change over."""
    content = f"{message_id}.{timestamp_s}.".encode() + body
    signatures = (base64.b64encode(hmac.new(k, content, sha256).digest()).decode() for k in keys)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": " ".join(f"v1,{s}" for s in signatures),
    }
