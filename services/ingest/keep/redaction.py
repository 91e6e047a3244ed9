"""Striking secrets out of what is kept, however the sender wrote them. Pure.

In: a source's secrets as configured. Out: functions over bytes and texts that put `***` where a
secret, or a part of it that is a secret by itself, stood: plain, URL-encoded, JSON-escaped, or
inside base64 (as Basic authorisation has it).
"""

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final
from urllib.parse import quote, quote_plus

import orjson

STRUCK: Final = b"***"
#: A part of a secret counts from this length on: a shorter one stands in innocent text as well.
_SHORTEST_PART: Final = 8
_ESCAPE: Final = re.compile(r"%[0-9A-F]{2}|\\u[0-9a-f]{4}")


def redacted(content: bytes, secrets: Sequence[bytes]) -> bytes:
    """Strike the secrets out of a body."""
    for form in _forms(tuple(secrets)):
        content = content.replace(form, STRUCK)
    return content


def redacted_text(content: str, secrets: Sequence[bytes]) -> str:
    """Strike the secrets out of a header's value or a query; NUL, which no row takes, goes too."""
    if not content:
        return ""
    struck = redacted(content.encode("utf-8", "replace"), secrets)
    return struck.decode("utf-8", "replace").replace("\x00", "")


def redacted_headers(headers: Mapping[str, str], secrets: Sequence[bytes]) -> str:
    """Write headers as JSON, secrets struck out; equal headers give equal texts."""
    if not headers:
        return "{}"
    struck = {name: redacted_text(value, secrets) for name, value in sorted(headers.items())}
    return orjson.dumps(struck).decode()


@lru_cache(maxsize=1024)
def _forms(secrets: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """List every way to write these secrets; the longest first, or a part would spoil the whole."""
    found = {
        form
        for secret in secrets
        for part in _parts(secret)
        for form in (part, *_written(part), *_within_base64(part))
        if form
    }
    return tuple(sorted(found, key=lambda form: (-len(form), form)))


def _parts(secret: bytes) -> Iterator[bytes]:
    """Take the secret and what is one by itself: a key without its prefix, either half of a pair.

    `whsec_…` is often shown without its prefix; `user:password` and `key&secret` are two texts.
    """
    yield secret
    _, _, bare = secret.partition(b"_") if secret.startswith(b"whsec_") else (b"", b"", b"")
    for part in (bare, *re.split(rb"[:&]", secret)):
        if len(part) >= _SHORTEST_PART:
            yield part


def _written(secret: bytes) -> Iterator[bytes]:
    """Write a secret as forms, URLs and JSON do."""
    text = secret.decode("utf-8", "replace")
    for url in (quote(secret), quote(secret, safe=""), quote_plus(secret)):
        yield url.encode()
        yield _ESCAPE.sub(lambda found: found[0].lower(), url).encode()
    for escaped in (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]):
        yield escaped.encode()
        yield escaped.replace("/", "\\/").encode()
        yield _ESCAPE.sub(lambda found: "\\u" + found[0][2:].upper(), escaped).encode()


def _within_base64(secret: bytes) -> Iterator[bytes]:
    """Write the characters of base64 that depend on the secret alone, at each of three offsets."""
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + secret).rstrip(b"=")
        # A character carries six bits: those it shares with what stands before or after differ.
        first = -(-8 * before // 6)
        last = 8 * (before + len(secret)) // 6
        core = encoded[first:last]
        if len(core) >= _SHORTEST_PART:
            yield core
            yield core.translate(bytes.maketrans(b"+/", b"-_"))
