"""Normalising the ways to recognise a customer, and the route that spreads load.

Normalised the same way everywhere, so ingest's route, the segmenter's identity and an erasure's
HMAC agree: the installation's `Rules` are made once in `__main__` and handed down. ICU is not
available in the embedded PostgreSQL: all folding happens here.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import idna

from shared import phones
from shared.events import ids
from shared.events.vocabulary import Identifier, IdentifierKind
from shared.keyed import Keyed

#: The order in which identifiers are asked; the first present makes the route.
ORDER = ("external_id", "email", "phone", "response")

_BLANK = re.compile(r"\s")
#: Letters, digits and inner hyphens, none at the third and fourth place together (that is how an
#: A-label looks, which must be checked): IDNA leaves such a name as it is, at fifty times the cost.
_PLAIN_DOMAIN = re.compile(
    r"(?:(?!..--)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?!..--)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
)
#: A name has at most 253 characters; far more is no typing mistake and would only cost time.
_LONGEST_DOMAIN = 1000
#: Twice what any identifier may be. Normalising is quadratic in the accents that follow one letter:
#: a megabyte of them would take hours.
_LONGEST_RAW = 1024


@dataclass(frozen=True, slots=True)
class Rules:
    """How this installation normalises (NPS_DEFAULT_REGION, NPS_PLUS_ADDRESSES).

    `region`: where national telephone numbers are dialled, as two capital letters; None: only
    international ones are understood. `plus`: whether `ana+shop@` is written `ana@`; under `ignore`
    `domains` limits that to their mailboxes, and none of them means everywhere.
    """

    region: str | None = None
    plus: Literal["keep", "ignore"] = "keep"
    domains: frozenset[str] = frozenset()

    def email(self, raw: str) -> Identifier | None:
        """Normalise an address; None if it is none."""
        found = _email(raw)
        return None if found is None else self._mailbox(found)

    def phone(self, raw: str) -> Identifier | None:
        """Write a number in E.164; None for what is no possible number."""
        value = phones.e164(raw, self.region)
        return None if value is None else Identifier(kind="phone", value=value)

    def identifier(self, kind: IdentifierKind, raw: str) -> Identifier | None:
        """Normalise any identifier of a person; None if it is none."""
        if kind == "email":
            return self.email(raw)
        return self.phone(raw) if kind == "phone" else external_id(raw)

    def spellings(self, kind: IdentifierKind, raw: str) -> tuple[Identifier, ...]:
        """List all that a text may have been written as, also before `plus` was changed.

        To find what is kept of somebody, such as for an erasure; none if it is no identifier.
        """
        if kind != "email" or self.plus == "keep":
            found = self.identifier(kind, raw)
            return () if found is None else (found,)
        said = _email(raw)
        if said is None:
            return ()
        return tuple(sorted({said, self._mailbox(said)}, key=lambda one: one.value))

    def _mailbox(self, address: Identifier) -> Identifier:
        if self.plus == "keep":
            return address
        local, _, domain = address.value.rpartition("@")
        name, plus, _ = local.partition("+")
        # In quotation marks a plus is a letter as any other.
        if not plus or not name or local.startswith('"'):
            return address
        if self.domains and domain not in self.domains:
            return address
        return Identifier(kind="email", value=f"{name}@{domain}")


#: Addresses as they were written, and international numbers only.
AS_SAID = Rules()


def rules(region: str, plus_addresses: str) -> Rules:
    """Read the two settings. Raises ValueError with the fix."""
    wanted = region.strip().upper()
    if wanted and wanted not in phones.REGIONS:
        raise ValueError("must be the two letters of a country, such as FR")
    words = [word.strip() for word in plus_addresses.split(",")]
    if words in (["keep"], ["ignore"]):
        return Rules(wanted or None, "keep" if words == ["keep"] else "ignore")
    domains = [_ascii(word.lower()) if "." in word and "@" not in word else None for word in words]
    if not all(domains):
        raise ValueError("must be keep, ignore, or domains (one.example, other.org)")
    return Rules(wanted or None, "ignore", frozenset(domain for domain in domains if domain))


def _email(raw: str) -> Identifier | None:
    """Normalise an address: NFC, lower case, IDN domain as A-labels; None if it is no address."""
    if len(raw) > _LONGEST_RAW:
        return None
    text = unicodedata.normalize("NFC", raw.strip())
    local, at, domain = text.rpartition("@")
    if not (local and at and "." in domain) or len(domain) > _LONGEST_DOMAIN:
        return None
    if _BLANK.search(text):
        return None
    ascii_domain = _ascii(domain.lower())
    if ascii_domain is None:
        return None
    value = f"{local.casefold()}@{ascii_domain}"
    return Identifier(kind="email", value=value) if len(value) <= 254 else None


def _ascii(domain: str) -> str | None:
    """Write a lower-case domain as A-labels; None if it is none."""
    if len(domain) <= 253 and _PLAIN_DOMAIN.fullmatch(domain):
        return domain
    try:
        return idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        return None


def external_id(raw: str | int) -> Identifier | None:
    """Normalise a customer number of the operator's own systems: NFC, trimmed, case kept."""
    text = str(raw)
    if len(text) > _LONGEST_RAW:
        return None
    value = unicodedata.normalize("NFC", text).strip()
    return Identifier(kind="external_id", value=value) if 0 < len(value) <= 512 else None


def response(source: str, survey: str, response_id: str) -> Identifier:
    """Tie the messages of one response together when a later one carries no address.

    A survey with a slash in it stands as its hash: else `a/b` with `c` and `a` with `b/c` would be
    one response, and so two customers one.
    """
    if "/" in survey:
        survey = ids.content_hash(survey)
    return Identifier(kind="response", value=f"{source}/{survey}/{response_id}")


def route(key: bytes, identifiers: Sequence[Identifier]) -> str:
    """Derive the bus key: HMAC-SHA-256 (hex) of the first identifier in `ORDER`.

    `key` is a secret all instances share, so the route tells nothing about the person.
    Raises ValueError without any identifier.
    """
    for kind in ORDER:
        of_kind = [each for each in identifiers if each.kind == kind]
        if of_kind:
            return hashed(key, min(of_kind, key=_value) if len(of_kind) > 1 else of_kind[0])
    raise ValueError("nobody is named, so there is no route")


def _value(identifier: Identifier) -> str:
    return identifier.value


def hashed(key: bytes, identifier: Identifier) -> str:
    """Derive the HMAC-SHA-256 (hex) under which one identifier may be kept or compared."""
    return _hmac(key, f"{identifier.kind}:{identifier.value}")


def hashed_name(key: bytes, kind: str, value: str) -> str:
    """Derive the same as `hashed`, of any name of a thing and without remembering it."""
    return _hmac.__wrapped__(key, f"{kind}:{value}")


def forget_hashed() -> None:
    """Empty the memory of `hashed`: after an erasure it should hold nothing of hers."""
    _hmac.cache_clear()


#: One message asks twice: for its route, and for whom it concerns once it is published. Hundreds
#: of others come in between.
@lru_cache(maxsize=1024)
def _hmac(key: bytes, identifier: str) -> str:
    return _keyed(key).digest(identifier.encode()).hex()


_keyed = lru_cache(maxsize=8)(Keyed)
