"""How a platform signs its webhooks: the scheme as a value, its keys, and signing with it.

In: what `verify:` of a source says, texts of secrets. Out: keys, and what a platform would add to a
message. `signature_check` is the other side. Pure.
"""

import base64
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.ingest.receive.inbound import Inbound
from services.ingest.verify.signed_text import Said, compile_field, compile_text
from shared.times import iso

Algorithm = Literal["sha1", "sha256", "sha512", "ed25519"]
Encoding = Literal["hex", "base64"]
KeyRecipe = Literal["plain", "whsec", "hex"]
TimeUnit = Literal["s", "ms", "iso"]

#: What both the Standard Webhooks libraries and Stripe's allow, into the past and the future.
TOLERANCE: Final = timedelta(seconds=300)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


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

    @property
    def is_timed(self) -> bool:
        """Whether a time comes with the signature."""
        return bool(self.timestamp_header or self.timestamp_field or self.timestamp_prefix)


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
        key = bytes.fromhex(secret)
    else:
        key = _base64(secret.removeprefix("whpk_"), wrong)
    # Thirty-two zeros stand for a key to come, and would vouch for what anybody signs with zeros.
    if len(key) != 32 or not any(key):
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
    if scheme.timestamp_unit == "ms":
        return str((now - _EPOCH) // timedelta(milliseconds=1))
    return str((now - _EPOCH) // timedelta(seconds=1))


def _base64(text: str, wrong: str) -> bytes:
    """Read base64 with or without its padding. Raises ValueError with the text `wrong`."""
    bare = text.rstrip("=")
    try:
        return strict_base64(bare + "=" * (-len(bare) % 4))
    except ValueError:
        raise ValueError(wrong) from None


def strict_base64(text: str) -> bytes:
    """Read base64 in the standard alphabet with its padding. Raises ValueError."""
    return base64.b64decode(text, validate=True)
