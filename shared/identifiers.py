"""Normalising the ways to recognise a customer, and the route that spreads load.

Normalised the same way everywhere, so ingest's route, the segmenter's identity and an erasure's
HMAC agree. ICU is not available in the embedded PostgreSQL: all folding happens here.
"""

import hmac
import unicodedata
from collections.abc import Sequence
from hashlib import sha256

import idna

from shared.events.vocabulary import Identifier

#: The order in which identifiers are asked; the first present makes the route.
ORDER = ("external_id", "email", "phone", "response")


def email(raw: str) -> Identifier | None:
    """Normalise an address: NFC, lower case, IDN domain as A-labels; None if it is no address."""
    local, at, domain = unicodedata.normalize("NFC", raw.strip()).rpartition("@")
    if not (local and at and "." in domain) or any(c.isspace() for c in local + domain):
        return None
    try:
        ascii_domain = idna.encode(domain.lower(), uts46=True).decode()
    except idna.IDNAError:
        return None
    value = f"{local.casefold()}@{ascii_domain}"
    return Identifier(kind="email", value=value) if len(value) <= 254 else None


def external_id(raw: str | int) -> Identifier | None:
    """Normalise a customer number of the operator's own systems: NFC, trimmed, case kept."""
    value = unicodedata.normalize("NFC", str(raw)).strip()
    return Identifier(kind="external_id", value=value) if 0 < len(value) <= 512 else None


def phone(raw: str) -> Identifier | None:
    """Take a number already in E.164 (`+` and 8 to 15 digits); None for anything else."""
    value = "".join(c for c in raw if c not in " .-()\u00a0")
    ok = value.startswith("+") and value[1:].isascii() and value[1:].isdigit()
    return Identifier(kind="phone", value=value) if ok and 9 <= len(value) <= 16 else None


def response(source: str, survey: str, response_id: str) -> Identifier:
    """Tie the messages of one response together when a later one carries no address."""
    return Identifier(kind="response", value=f"{source}/{survey}/{response_id}")


def route(key: bytes, identifiers: Sequence[Identifier]) -> str:
    """Derive the bus key: HMAC-SHA-256 (hex) of the first identifier in `ORDER`.

    `key` is a secret all instances share, so the route tells nothing about the person.
    Raises ValueError without any identifier.
    """
    first = min(identifiers, key=lambda i: (ORDER.index(i.kind), i.value))
    return hmac.new(key, f"{first.kind}:{first.value}".encode(), sha256).hexdigest()
