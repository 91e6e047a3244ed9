"""Who sent these bytes: signing and verifying webhooks, as configuration describes it.

In: a request, its decoded body where the scheme reads fields of it, keys and the time. Out: which
key matched, or None; why not is not told, because every refusal is answered alike. Pure;
comparisons take constant time.
"""

import base64
import hmac
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from services.ingest.inbound import Inbound
from services.ingest.signed_text import Said, compile_field, compile_text
from shared.times import iso

Algorithm = Literal["sha1", "sha256", "sha512", "ed25519"]
Encoding = Literal["hex", "base64"]
KeyRecipe = Literal["plain", "whsec", "hex"]
TimeUnit = Literal["s", "ms", "iso"]

#: What both the Standard Webhooks libraries and Stripe's allow, into the past and the future.
TOLERANCE: Final = timedelta(seconds=300)
#: Senders put a handful of signatures into one header while they change secrets; more is an attack
#: on our time, and a public-key check costs ten times an HMAC.
_MOST_SIGNATURES: Final = 16
_MOST_ED25519: Final = 4

_MOMENT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?"
    r"(Z|[+-][0-9]{2}:?[0-9]{2})"
)

#: Reads one text of a request or its decoded body; None where it is not there exactly once.
_Find = Callable[[Inbound, object], str | None]
#: Tells the place of the key that vouches for a request (with its decoded body) at a time.
Check = Callable[[Inbound, object, datetime], int | None]


@dataclass(frozen=True, slots=True)
class Scheme:
    """How a platform signs. `signed` is the signed text, see `signed_text`.

    The signature is in `header`, or in `field` of the body. `separator` splits several signatures
    in one text; `prefix` stands before each of ours, and those without it are skipped (another
    version, e.g. `v1a,`). The time is in its header, its field of the body, or among the parts
    after `timestamp_prefix` (`t=…,v1=…`).
    """

    header: str = ""
    field: str = ""
    algorithm: Algorithm = "sha256"
    encoding: Encoding = "hex"
    prefix: str = ""
    separator: str = ""
    signed: str = "{body}"
    key: KeyRecipe = "plain"
    id_header: str = ""
    timestamp_header: str = ""
    timestamp_field: str = ""
    timestamp_prefix: str = ""
    timestamp_unit: TimeUnit = "s"
    tolerance: timedelta = TOLERANCE


def key_of(secret: str, recipe: KeyRecipe) -> bytes:
    """Derive the HMAC key from a secret. Raises ValueError when the recipe does not fit it.

    `plain` also serves a platform whose key is `api_key&api_secret`: the secret is that text.
    """
    if recipe == "plain":
        key = secret.encode()
    elif recipe == "hex":
        try:
            key = bytes.fromhex(secret)
        except ValueError:
            raise ValueError("is not hex") from None
    else:
        key = _base64(secret.removeprefix("whsec_"), "is not base64 (optionally after whsec_)")
    if not key:
        raise ValueError("is empty")
    return key


def public_key_of(secret: str) -> bytes:
    """Read an Ed25519 public key in hex or base64, optionally after `whpk_`. Raises ValueError."""
    wrong = "is no Ed25519 public key: 32 bytes in hex or base64 (optionally after whpk_)"
    if re.fullmatch(r"[0-9A-Fa-f]{64}", secret):
        return bytes.fromhex(secret)
    key = _base64(secret.removeprefix("whpk_"), wrong)
    if len(key) != 32:
        raise ValueError(wrong)
    return key


def checking_key_of(scheme: Scheme, secret: str) -> bytes:
    """Derive what a scheme checks signatures with. Raises ValueError when the secret is no key."""
    return public_key_of(secret) if scheme.algorithm == "ed25519" else key_of(secret, scheme.key)


def sign(
    scheme: Scheme,
    key: bytes,
    body: bytes,
    *,
    message_id: str = "",
    now: datetime | None = None,
    method: str = "POST",
    url: str = "",
    tree: object = None,
) -> dict[str, str]:
    """Make what a platform of this scheme adds to a message: headers, or for `field` that field.

    `key` is the HMAC key, for Ed25519 the 32 private bytes. `message_id`, `now` and `url` are
    needed only where the scheme signs them; `tree` (the decoded body) where it signs fields.
    """
    added: dict[str, str] = {}
    if scheme.id_header:
        added[scheme.id_header] = message_id
    timestamp = _time_to_sign(scheme, now, tree)
    if scheme.timestamp_header:
        added[scheme.timestamp_header] = timestamp
    said = Said(Inbound(body, method=method, url=url), message_id, timestamp, tree)
    text = compile_text(scheme.signed)(said)
    if text is None:
        raise ValueError("this scheme signs a field that `tree` does not hold")
    signature = scheme.prefix + _signature(scheme, key, text)
    if scheme.timestamp_prefix:
        signature = f"{scheme.timestamp_prefix}{timestamp}{scheme.separator}{signature}"
    added[scheme.header or scheme.field] = signature
    return added


def checker(scheme: Scheme, keys: Sequence[bytes]) -> Check:
    """Make the check of a scheme: the place of the key that signed a request, or None.

    A text that is missing or doubled, a time out of tolerance (both ways) and a wrong signature are
    all None. Every key is tried against every signature, so time tells nothing about which.
    """
    find_signature = _finder(scheme.header, scheme.field)
    find_time = _finder(scheme.timestamp_header, scheme.timestamp_field)
    find_id = _finder(scheme.id_header, "")
    write = compile_text(scheme.signed)
    match = _ed25519(scheme, keys) if scheme.algorithm == "ed25519" else _hmac(scheme, keys)

    def check(inbound: Inbound, tree: object, now: datetime) -> int | None:
        parts = _parts(scheme, find_signature(inbound, tree))
        if scheme.timestamp_prefix:
            timestamp = _marked(parts, scheme.timestamp_prefix)
        else:
            timestamp = find_time(inbound, tree)
        message_id = find_id(inbound, tree)
        text: bytes | None = None
        if message_id is not None and timestamp is not None and _timely(scheme, timestamp, now):
            text = write(Said(inbound, message_id, timestamp, tree))
        if text is None:
            # What can never match costs an HMAC too: time must not tell a known source's headers.
            return match(inbound.body, ())
        prefix = scheme.prefix
        return match(text, [part.removeprefix(prefix) for part in parts if part.startswith(prefix)])

    return check


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


def _parts(scheme: Scheme, text: str | None) -> list[str]:
    if text is None:
        return []
    if not scheme.separator:
        return [text]
    parts = text.split(scheme.separator, _MOST_SIGNATURES)[:_MOST_SIGNATURES]
    return [part.strip() for part in parts]


def _marked(parts: Sequence[str], prefix: str) -> str | None:
    return only([part.removeprefix(prefix) for part in parts if part.startswith(prefix)])


def _timely(scheme: Scheme, timestamp: str, now: datetime) -> bool:
    if not (scheme.timestamp_header or scheme.timestamp_field or scheme.timestamp_prefix):
        return True
    if scheme.timestamp_unit == "iso":
        if not _MOMENT.fullmatch(timestamp):
            return False
        try:
            away = datetime.fromisoformat(timestamp) - now
        except ValueError:
            return False
        return abs(away) <= scheme.tolerance
    # Fifteen digits reach far beyond any year we may see; more would only cost time to read.
    if not re.fullmatch(r"[0-9]{1,15}", timestamp):
        return False
    seconds = int(timestamp) / (1000 if scheme.timestamp_unit == "ms" else 1)
    return abs(now.timestamp() - seconds) <= scheme.tolerance.total_seconds()


def _hmac(scheme: Scheme, keys: Sequence[bytes]) -> Callable[[bytes, Sequence[str]], int | None]:
    in_hex = scheme.encoding == "hex"

    def match(text: bytes, signatures: Sequence[str]) -> int | None:
        given = [part.encode("latin-1", "backslashreplace") for part in signatures]
        if in_hex:
            given = [part.lower() for part in given]
        found: int | None = None
        for place, key in enumerate(keys):
            expected = _signature(scheme, key, text).encode()
            for signature in given:
                if hmac.compare_digest(expected, signature) and found is None:
                    found = place
        return found

    return match


def _ed25519(scheme: Scheme, keys: Sequence[bytes]) -> Callable[[bytes, Sequence[str]], int | None]:
    public = [Ed25519PublicKey.from_public_bytes(key) for key in keys]

    def match(text: bytes, signatures: Sequence[str]) -> int | None:
        for signature in signatures[:_MOST_ED25519]:
            try:
                given = bytes.fromhex(signature) if scheme.encoding == "hex" else _strict(signature)
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


def _signature(scheme: Scheme, key: bytes, text: bytes) -> str:
    if scheme.algorithm == "ed25519":
        made = Ed25519PrivateKey.from_private_bytes(key).sign(text)
    else:
        made = hmac.digest(key, text, scheme.algorithm)
    return made.hex() if scheme.encoding == "hex" else base64.b64encode(made).decode()


def _time_to_sign(scheme: Scheme, now: datetime | None, tree: object) -> str:
    if scheme.timestamp_field:
        return compile_field(scheme.timestamp_field)(tree) or ""
    if not (scheme.timestamp_header or scheme.timestamp_prefix):
        return ""
    if now is None:
        raise ValueError("this scheme signs a time: give `now`")
    if scheme.timestamp_unit == "iso":
        return iso(now)
    second = now.astimezone(UTC).replace(microsecond=0)
    whole = int(second.timestamp())
    return (
        str(whole) if scheme.timestamp_unit == "s" else str(whole * 1000 + now.microsecond // 1000)
    )


def _base64(text: str, wrong: str) -> bytes:
    """Read base64 with or without its padding. Raises ValueError with the text `wrong`."""
    bare = text.rstrip("=")
    try:
        return _strict(bare + "=" * (-len(bare) % 4))
    except ValueError:
        raise ValueError(wrong) from None


def _strict(text: str) -> bytes:
    # A text beyond ASCII is a ValueError of its own.
    return base64.b64decode(text, validate=True)
