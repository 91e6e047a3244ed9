"""Who sent these bytes: signing and verifying webhooks, as configuration describes it.

In: raw body, headers, secrets and the time. Out: which secret matched, or None; why not is not
told, because every refusal is answered alike. Pure; comparisons take constant time.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

Algorithm = Literal["sha1", "sha256", "sha512"]
Encoding = Literal["hex", "base64"]
KeyRecipe = Literal["plain", "whsec"]

#: What both the Standard Webhooks libraries and Stripe's allow, into the past and the future.
TOLERANCE = timedelta(seconds=300)

_PLACEHOLDER = re.compile(r"\{(id|timestamp|body)\}")
#: Senders put a handful of signatures into one header while they change secrets; more is an attack
#: on our time.
_MOST_SIGNATURES = 16


class Headers(Protocol):
    """What we ask of request headers: every value under a name, whatever its case."""

    def getlist(self, key: str) -> list[str]:
        """Return all values sent under this name, in order."""


@dataclass(frozen=True, slots=True)
class Scheme:
    """How a platform signs. `signed` is the signed text with `{body}`, `{id}` and `{timestamp}`.

    `separator` splits several signatures in one header; `prefix` stands before each of ours, and
    signatures without it are skipped (another version, e.g. `v1a,`).
    """

    header: str
    algorithm: Algorithm = "sha256"
    encoding: Encoding = "hex"
    prefix: str = ""
    separator: str = ""
    signed: str = "{body}"
    key: KeyRecipe = "plain"
    id_header: str = ""
    timestamp_header: str = ""
    tolerance: timedelta = TOLERANCE


def key_of(secret: str, recipe: KeyRecipe) -> bytes:
    """Derive the key bytes from a secret. Raises ValueError when the recipe does not fit it."""
    if recipe == "plain":
        key = secret.encode()
    else:
        text = secret.removeprefix("whsec_").rstrip("=")
        try:
            key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        except binascii.Error:
            raise ValueError("is not base64 (optionally after whsec_)") from None
    if not key:
        raise ValueError("is empty")
    return key


def sign(
    scheme: Scheme, key: bytes, body: bytes, *, message_id: str = "", now: datetime | None = None
) -> dict[str, str]:
    """Make the headers that a platform of this scheme sends with a body.

    `message_id` and `now` are needed only where the scheme signs them.
    """
    headers: dict[str, str] = {}
    if scheme.id_header:
        headers[scheme.id_header] = message_id
    timestamp = ""
    if scheme.timestamp_header:
        if now is None:
            raise ValueError("this scheme signs a time: give `now`")
        timestamp = str(int(now.timestamp()))
        headers[scheme.timestamp_header] = timestamp
    signature = _signature(scheme, key, _signed_text(scheme, body, message_id, timestamp))
    headers[scheme.header] = scheme.prefix + signature
    return headers


def verify(
    scheme: Scheme, keys: Sequence[bytes], body: bytes, headers: Headers, now: datetime
) -> int | None:
    """Return the place of the key that signed this, or None.

    A header that is missing or doubled, a time out of tolerance (both ways) and a wrong signature
    are all None. Every key is tried against every signature, so time tells nothing about which.
    """
    header = _only(headers, scheme.header)
    message_id = _only(headers, scheme.id_header) if scheme.id_header else ""
    timestamp = _only(headers, scheme.timestamp_header) if scheme.timestamp_header else ""
    if header is None or message_id is None or timestamp is None:
        return None
    if scheme.timestamp_header and not _timely(timestamp, scheme.tolerance, now):
        return None
    given = [
        part.removeprefix(scheme.prefix).encode("utf-8", "surrogateescape")
        for part in (header.split(scheme.separator) if scheme.separator else [header])
        if part.startswith(scheme.prefix)
    ][:_MOST_SIGNATURES]
    text = _signed_text(scheme, body, message_id, timestamp)
    found: int | None = None
    for place, key in enumerate(keys):
        expected = _signature(scheme, key, text).encode()
        for signature in given:
            candidate = signature.lower() if scheme.encoding == "hex" else signature
            if hmac.compare_digest(expected, candidate) and found is None:
                found = place
    return found


def verify_token(header: str, tokens: Sequence[bytes], headers: Headers) -> int | None:
    """Return the place of the static token that the header carries, or None."""
    given = _only(headers, header)
    if given is None:
        return None
    candidate = given.removeprefix("Bearer ").strip().encode("utf-8", "surrogateescape")
    found: int | None = None
    for place, token in enumerate(tokens):
        if hmac.compare_digest(token, candidate) and found is None:
            found = place
    return found


def _only(headers: Headers, name: str) -> str | None:
    """Return the one value under a name; none and several are both refused."""
    values = headers.getlist(name)
    return values[0] if len(values) == 1 else None


def _timely(timestamp: str, tolerance: timedelta, now: datetime) -> bool:
    # Twelve digits reach far beyond any year we may see; more would only cost time to read.
    if not re.fullmatch(r"[0-9]{1,12}", timestamp):
        return False
    return abs(now.timestamp() - int(timestamp)) <= tolerance.total_seconds()


def _signed_text(scheme: Scheme, body: bytes, message_id: str, timestamp: str) -> bytes:
    values: Mapping[str, bytes] = {
        "body": body,
        "id": message_id.encode("utf-8", "surrogateescape"),
        "timestamp": timestamp.encode(),
    }
    if scheme.signed == "{body}":
        return body
    # Literal text and placeholders take turns in what `split` returns.
    parts = _PLACEHOLDER.split(scheme.signed)
    return b"".join(
        values[part] if place % 2 else part.encode() for place, part in enumerate(parts)
    )


def _signature(scheme: Scheme, key: bytes, text: bytes) -> str:
    digest = hmac.digest(key, text, scheme.algorithm)
    return digest.hex() if scheme.encoding == "hex" else base64.b64encode(digest).decode()
