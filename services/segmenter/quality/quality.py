"""What is wrong with the customer base: the kinds, and whether two customers are one person. Pure.

In: two customers as far as it matters here. Out: why they may be one person, with a confidence from
0 to 1, or None. Nothing is merged by it: a person decides, with the preview of the merge.
"""

import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from math import prod
from typing import Final, Literal, get_args
from uuid import UUID

from services.segmenter.policy.quality import Quality
from shared.events.vocabulary import Value
from shared.identifiers import Rules

#: What a profile says whenever it is read; whether a consent is stale, the day tells, too.
Flag = Literal[
    "missing_tone", "missing_name", "missing_language", "invalid_phone", "bounced_address"
]
Kind = Literal[Flag, "stale_consent"]
FLAGS: Final[tuple[Flag, ...]] = get_args(Flag)
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

ReasonCode = Literal[
    "merge_refused",
    "same_name_and_phone",
    "same_name_and_postal_code",
    "plus_address",
    "external_id_case",
    "same_local_part",
]
#: How much each reason alone says. A name with a phone is nearly always one person; at one postal
#: code live a father and a son of one name, and in a city some namesakes; a local part before
#: another domain is hers as often as somebody else's.
_CONFIDENCE: Final[dict[ReasonCode, float]] = {
    # An event named both as one: only their consents kept the policy from believing it.
    "merge_refused": 0.95,
    "same_name_and_phone": 0.95,
    "plus_address": 0.9,
    "external_id_case": 0.9,
    "same_name_and_postal_code": 0.7,
    "same_local_part": 0.4,
}
#: Two names that differ make an address weak evidence: families share mailboxes.
_OTHER_NAME: Final = 0.5
#: One name beside a like address makes it strong.
_SAME_NAME: Final = 0.8
#: `jean@` is many people's.
LEAST_LOCAL_PART: Final = 6
#: Mailboxes of an office: they say nothing about a person. (The shorter ones are left out anyway.)
_OFFICES: Final = frozenset(
    {
        "accounts",
        "accueil",
        "billing",
        "bonjour",
        "commercial",
        "comptabilite",
        "contact",
        "direction",
        "facturation",
        "invoice",
        "invoices",
        "no-reply",
        "noreply",
        "office",
        "postmaster",
        "purchasing",
        "reception",
        "secretariat",
        "service",
        "support",
        "webmaster",
    }
)


@dataclass(frozen=True, slots=True)
class Person:
    """One customer, as far as she may be another one's twin.

    `name` is made by `name_of`, `postal_code` by `postal_code_of`; phones are in E.164.
    """

    customer_id: UUID
    name: tuple[str, ...] = ()
    postal_code: str = ""
    phones: frozenset[str] = frozenset()
    emails: frozenset[str] = frozenset()
    external_ids: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Twins:
    """Two customers who may be one person, the smaller id first, and why."""

    one: UUID
    other: UUID
    reasons: tuple[ReasonCode, ...]
    confidence: float


def person(
    customer_id: UUID,
    attributes: Mapping[str, Value],
    identifiers: Iterable[str],
    quality: Quality,
    rules: Rules,
) -> Person:
    """Read attributes (by any of their names) and the names of identifiers (`kind:value`)."""
    said = attributes.get
    known: dict[str, set[str]] = {"email": set(), "phone": set(), "external_id": set()}
    for name in identifiers:
        kind, _, value = name.partition(":")
        known[kind].add(value)
    for name in quality.phone_attributes:
        number = said(name)
        if isinstance(number, str) and (found := rules.phone(number)):
            known["phone"].add(found.value)
    return Person(
        customer_id,
        name=name_of(said("first_name"), said("last_name")),
        postal_code=postal_code_of(said(quality.postal_code_attribute)),
        phones=frozenset(known["phone"]),
        emails=frozenset(known["email"]),
        external_ids=frozenset(known["external_id"]),
    )


def name_of(first: object, last: object) -> tuple[str, ...]:
    """Fold a name for comparing: no accents, case or hyphens, the two parts in either order.

    Empty unless both are said: half a name is everybody's.
    """
    parts = [_letters(part) for part in (first, last)]
    return tuple(sorted(parts)) if all(parts) else ()


def _letters(text: object) -> str:
    if not isinstance(text, str):
        return ""
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(letter for letter in plain if letter.isalpha())


def postal_code_of(value: object) -> str:
    """Fold a postal code for comparing: letters and digits only; "" for none."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return "".join(sign for sign in str(value).upper() if sign.isalnum())


def keys_of(one: Person) -> frozenset[int]:
    """Hash what a twin of hers would share: two customers without a common key are no twins.

    (But for those whom an event named both.) A hash, so that nobody's address stands here again;
    a collision only makes two customers be judged who need not.
    """
    found = {f"mailbox {local}@{domain}" for local, domain in map(_mailbox, one.emails)}
    found |= {f"local {local}" for local, _ in map(_mailbox, one.emails) if _tells(local)}
    found |= {f"id {_plain_id(value)}" for value in one.external_ids}
    if one.name:
        name = " ".join(one.name)
        found |= {f"phone {phone} {name}" for phone in one.phones}
        found |= {f"home {one.postal_code} {name}"} if one.postal_code else set()
    return frozenset(map(_hash, found))


def _hash(key: str) -> int:
    digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def twins(a: Person, b: Person, *, refused: bool = False) -> Twins | None:
    """Judge whether two customers may be one person; None: nothing says so.

    `refused`: the policy did not let an event merge them.
    """
    found = dict(_reasons(a, b))
    if refused:
        found["merge_refused"] = _CONFIDENCE["merge_refused"]
    if not found:
        return None
    one, other = sorted((a.customer_id, b.customer_id))
    reasons = sorted(found, key=lambda code: (-found[code], code))
    # As independent witnesses: each leaves only its own doubt.
    doubt = prod(1 - found[code] for code in reasons)
    return Twins(one, other, tuple(reasons), round(1 - doubt, 2))


def _reasons(a: Person, b: Person) -> Iterator[tuple[ReasonCode, float]]:
    same_name = bool(a.name) and a.name == b.name
    other_name = bool(a.name and b.name) and not same_name
    if same_name and a.phones & b.phones:
        yield "same_name_and_phone", _CONFIDENCE["same_name_and_phone"]
    if same_name and a.postal_code and a.postal_code == b.postal_code:
        yield "same_name_and_postal_code", _CONFIDENCE["same_name_and_postal_code"]
    if _differ_in_case(a.external_ids, b.external_ids):
        yield "external_id_case", _CONFIDENCE["external_id_case"]
    for code in _like_addresses(a.emails, b.emails):
        sure = _CONFIDENCE[code]
        if same_name:
            sure = max(sure, _SAME_NAME)
        yield code, sure * _OTHER_NAME if other_name else sure


def _differ_in_case(ours: Collection[str], theirs: Collection[str]) -> bool:
    return not {_plain_id(one) for one in ours}.isdisjoint(_plain_id(one) for one in theirs)


def _plain_id(value: str) -> str:
    return "".join(value.split()).lower()


def _like_addresses(ours: Collection[str], theirs: Collection[str]) -> Iterator[ReasonCode]:
    mine = {_mailbox(address) for address in ours}
    hers = {_mailbox(address) for address in theirs}
    if mine & hers:
        yield "plus_address"
    names = {local for local, _ in mine} & {local for local, _ in hers}
    if any(map(_tells, names)) and not mine & hers:
        yield "same_local_part"


def _tells(local: str) -> bool:
    """Tell whether the part before the @ is somebody's own."""
    return len(local) >= LEAST_LOCAL_PART and local not in _OFFICES


def _mailbox(address: str) -> tuple[str, str]:
    """Split an address without its tag. No two customers have one address: alike, a tag differs."""
    local, _, domain = address.rpartition("@")
    return local.partition("+")[0] or local, domain


def stale_before(quality: Quality, now: datetime) -> datetime:
    """Tell before which moment a yes is old."""
    return now - timedelta(days=quality.stale_consent_days)
