"""Who sent these bytes: whether a request is signed as its source's scheme says.

In: a request, its decoded body where the scheme reads fields of it, keys and the time. Out: which
key matched, or None; why not is not told, because every refusal is answered alike. Pure;
comparisons take constant time.
"""

import base64
import hmac
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from services.ingest.receive.inbound import Inbound
from services.ingest.verify.signatures import Scheme, strict_base64
from services.ingest.verify.signed_text import Said, compile_field, compile_text
from shared.keyed import Keyed

#: Senders put a handful of signatures into one header while they change secrets; more is an attack
#: on our time, and a public-key check costs fifty times an HMAC.
_MOST_SIGNATURES: Final = 16
_MOST_ED25519: Final = 4
#: Fifteen digits reach far beyond any year we may see; more would only cost time to read.
_MOST_DIGITS: Final = 15

_MOMENT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?"
    r"(Z|[+-][0-9]{2}:?[0-9]{2})"
)

#: Reads one text of a request or its decoded body; None where it is not there exactly once.
_Find = Callable[[Inbound, object], str | None]
#: Gives the text that must be signed, of a request whose signature came in these parts.
_TextOf = Callable[[Inbound, object, datetime, Sequence[str]], bytes | None]
#: Tells whether a text is signed by one of these signatures: the place of the key, or None.
_Match = Callable[[bytes, Sequence[str]], int | None]
#: Tells the place of the key that vouches for a request (with its decoded body) at a time.
Check = Callable[[Inbound, object, datetime], int | None]


def checker(scheme: Scheme, keys: Sequence[bytes]) -> Check:
    """Make the check of a scheme: the place of the key that signed a request, or None.

    A text that is missing or doubled, a time out of tolerance (both ways) and a wrong signature are
    all None. Every key is tried against every signature, so time tells nothing about which.
    """
    find = _finder(scheme.header, scheme.field)
    text_of = _text_of(scheme)
    match = _ed25519(scheme, keys) if scheme.algorithm == "ed25519" else _hmac(scheme, keys)
    prefix, separator = scheme.prefix, scheme.separator

    def check(inbound: Inbound, tree: object, now: datetime) -> int | None:
        sent = find(inbound, tree)
        parts = _parts(sent, separator)
        text = text_of(inbound, tree, now, parts)
        if text is None:
            # What can never match costs an HMAC too: time must not tell a known source's headers.
            return match(inbound.body, ())
        return match(text, [part[len(prefix) :] for part in parts if part.startswith(prefix)])

    return check


def _text_of(scheme: Scheme) -> _TextOf:
    """Make what gives the signed text, or None when it cannot be made or its time is far off."""
    if scheme.signed == "{body}" and not scheme.is_timed:
        return lambda inbound, _tree, _now, _parts: inbound.body
    find_time = _finder(scheme.timestamp_header, scheme.timestamp_field)
    find_id = _finder(scheme.id_header, "")
    write = compile_text(scheme.signed)
    timely = _timer(scheme)

    def text_of(
        inbound: Inbound, tree: object, now: datetime, parts: Sequence[str]
    ) -> bytes | None:
        if scheme.timestamp_prefix:
            timestamp = _marked(parts, scheme.timestamp_prefix)
        else:
            timestamp = find_time(inbound, tree)
        message_id = find_id(inbound, tree)
        if message_id is None or timestamp is None or not timely(timestamp, now):
            return None
        return write(Said(inbound, message_id, timestamp, tree))

    return text_of


def _finder(header: str, field: str) -> _Find:
    if header:
        return lambda inbound, _tree: only(inbound.headers.getlist(header))
    if field:
        read = compile_field(field)
        return lambda _inbound, tree: read(tree)
    return lambda _inbound, _tree: ""


def only(values: Sequence[str]) -> str | None:
    """Return the one value under a name; none and several are both refused."""
    return values[0] if len(values) == 1 else None


def _parts(text: str | None, separator: str) -> list[str]:
    if text is None:
        return []
    if not separator:
        return [text]
    parts = text.split(separator, _MOST_SIGNATURES)[:_MOST_SIGNATURES]
    return [part.strip() for part in parts]


def _marked(parts: Sequence[str], prefix: str) -> str | None:
    return only([part.removeprefix(prefix) for part in parts if part.startswith(prefix)])


def _timer(scheme: Scheme) -> Callable[[str, datetime], bool]:
    """Make what tells whether a time is near enough to now."""
    if not scheme.is_timed:
        return lambda _timestamp, _now: True
    if scheme.timestamp_unit == "iso":
        return partial(_near_moment, scheme.tolerance)
    per_second = 1000 if scheme.timestamp_unit == "ms" else 1
    tolerance = scheme.tolerance.total_seconds()

    def near(timestamp: str, now: datetime) -> bool:
        if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= _MOST_DIGITS):
            return False
        return abs(now.timestamp() - int(timestamp) / per_second) <= tolerance

    return near


def _near_moment(tolerance: timedelta, timestamp: str, now: datetime) -> bool:
    if not _MOMENT.fullmatch(timestamp):
        return False
    try:
        return abs(datetime.fromisoformat(timestamp) - now) <= tolerance
    except ValueError:  # the 31st of February
        return False


def _hmac(scheme: Scheme, keys: Sequence[bytes]) -> _Match:
    in_hex = scheme.encoding == "hex"
    secrets = [Keyed(key, scheme.algorithm) for key in keys]
    encode = _hex if in_hex else base64.b64encode

    def match(text: bytes, signatures: Sequence[str]) -> int | None:
        given = [part.encode("latin-1", "backslashreplace") for part in signatures]
        if in_hex:
            # Some senders write hex in capitals.
            given = [part.lower() for part in given]
        found: int | None = None
        for place, secret in enumerate(secrets):
            expected = encode(secret.digest(text))
            for signature in given:
                if hmac.compare_digest(expected, signature) and found is None:
                    found = place
        return found

    return match


def _hex(digest: bytes) -> bytes:
    return digest.hex().encode()


def _ed25519(scheme: Scheme, keys: Sequence[bytes]) -> _Match:
    public = [Ed25519PublicKey.from_public_bytes(key) for key in keys]

    def match(text: bytes, signatures: Sequence[str]) -> int | None:
        for signature in signatures[:_MOST_ED25519]:
            try:
                given = (
                    bytes.fromhex(signature)
                    if scheme.encoding == "hex"
                    else strict_base64(signature)
                )
            except ValueError:
                continue
            for place, key in enumerate(public):
                try:
                    key.verify(given, text)
                except InvalidSignature:
                    continue
                return place
        return None

    return match
