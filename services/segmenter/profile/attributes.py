"""Attributes as the policy types them: what was said, and whether it can be believed. Pure.

In: the profile, the policy. Out: per attribute its value in one form, or the reason why it does not
fit. Typing happens at reading: the profile keeps every value as it was said, so a policy that
declares a type later, or mends it, changes no stored state.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from services.segmenter.policy.attributes import AttributeKind, AttributeType
from services.segmenter.policy.whole import Policy
from services.segmenter.profile.state import Attribute, Profile
from shared.events.vocabulary import Value
from shared.times import iso

_NUMBER: Final = re.compile(r"[+-]?\d{1,15}(?:[.,]\d{1,15})?")
_THOUSANDS_OR_CENTS: Final = re.compile(r"[+-]?\d{1,3},\d{3}")
_BLANKS: Final = re.compile(r"\s")
_CURRENCY: Final = re.compile(r"^(?:[€$£¥]|[A-Z]{3})|(?:[€$£¥]|[A-Z]{3})$")
_FLAGS: Final = {
    **dict.fromkeys(("true", "yes", "oui", "1"), True),
    **dict.fromkeys(("false", "no", "non", "0"), False),
}


@dataclass(frozen=True, slots=True)
class Typed:
    """An attribute's value in its type's form; `wrong` says why what was said is not believed."""

    value: Value = None
    wrong: str | None = None


def typed(profile: Profile, policy: Policy) -> dict[str, Typed]:
    """Read every attribute of a profile; an undeclared one, and one cleared, passes as it is."""
    names = other_names(policy)
    return {
        name: fitting(attribute.value, policy.attributes.get(names.get(name, name)))
        for name, attribute in profile.attributes.items()
    }


@lru_cache(maxsize=8)
def other_names(policy: Policy) -> Mapping[str, str]:
    """Lead from each further name of an attribute to the one that the policy declares."""
    return {name: first for first, one in policy.attributes.items() for name in one.also}


def by_one_name(profile: Profile, policy: Policy) -> Iterable[tuple[str, Attribute]]:
    """List what was said of each attribute last, under the name that the policy declares."""
    names = other_names(policy)
    if not names:
        return profile.attributes.items()
    found: dict[str, Attribute] = {}
    for said, attribute in profile.attributes.items():
        name = names.get(said, said)
        known = found.get(name)
        if known is None or known.order < attribute.order:
            found[name] = attribute
        elif known.order == attribute.order:
            found[name] = _last(profile, policy, name) or attribute
    return found.items()


def _last(profile: Profile, policy: Policy, name: str) -> Attribute | None:
    """Find what was said last of a declared attribute; by one event: under its first name."""
    known = (profile.attributes.get(one) for one in (name, *policy.attributes[name].also))
    found = [attribute for attribute in known if attribute is not None]
    return max(found, key=lambda attribute: attribute.order, default=None)


def told(profile: Profile, policy: Policy) -> dict[str, Value]:
    """Tell all attributes for a person to read: by one name and in one form, None if cleared.

    What does not fit its type is told as it was said: it would be missed otherwise, and is to be
    mended at its source.
    """
    found = {}
    for name, attribute in by_one_name(profile, policy):
        read = fitting(attribute.value, policy.attributes.get(name))
        found[name] = attribute.value if read.wrong else read.value
    return found


def said(profile: Profile, policy: Policy, name: str) -> Value:
    """Tell what was said of an attribute last, by whichever of its names."""
    name = other_names(policy).get(name, name)
    declared = policy.attributes.get(name)
    if declared is None or not declared.also:
        return profile.attribute(name)
    found = _last(profile, policy, name)
    return found.value if found else None


def believed(profile: Profile, policy: Policy, name: str) -> Value:
    """Read one attribute; None: never said, cleared, or not what it should be."""
    value = said(profile, policy, name)
    return None if value is None else fitted(value, policy, name)


def fitted(value: Value, policy: Policy, name: str) -> Value:
    """Bring a value into the form of an attribute, by whichever of its names; None: not one."""
    return fitting(value, policy.attributes.get(other_names(policy).get(name, name))).value


def text(profile: Profile, policy: Policy, name: str) -> str | None:
    """Read one attribute as a text that is not empty."""
    value = believed(profile, policy, name)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return str(value) or None


def number(profile: Profile, policy: Policy, name: str) -> int | float | None:
    """Read one attribute as a number, even where it is not declared as one."""
    declared = policy.attributes.get(name, _PLAIN)
    found = fitting(said(profile, policy, name), declared).value
    return None if isinstance(found, bool | str | list) else found


def fitting(value: Value, declared: AttributeType | None) -> Typed:
    """Bring a value into its type's form, or say why it has none."""
    if declared is None or value is None:
        return Typed(value)
    return _READERS[declared.type](value, declared)


def _text(value: Value, _declared: AttributeType) -> Typed:
    if isinstance(value, list | bool):
        return Typed(wrong="no text")
    return Typed(str(value))


def _number(value: Value, _declared: AttributeType) -> Typed:
    if isinstance(value, bool | list):
        return Typed(wrong="no number")
    if not isinstance(value, str):
        return Typed(value)
    plain = _BLANKS.sub("", value)
    if _THOUSANDS_OR_CENTS.fullmatch(plain):
        return Typed(wrong="no plain number: a comma before three digits may be of thousands")
    if not _NUMBER.fullmatch(plain):
        return Typed(wrong="no number")
    found = float(plain.replace(",", "."))
    return Typed(int(found) if plain.lstrip("+-").isdigit() else found)


def _money(value: Value, declared: AttributeType) -> Typed:
    if isinstance(value, str):
        value = _CURRENCY.sub("", value.strip(), count=1)
    found = _number(value, declared)
    return Typed(wrong=found.wrong.replace("number", "amount")) if found.wrong else found


def _date(value: Value, _declared: AttributeType) -> Typed:
    found = _moment_of(value)
    return Typed(wrong="no ISO date") if found is None else Typed(found.date().isoformat())


def _moment(value: Value, _declared: AttributeType) -> Typed:
    found = _moment_of(value)
    try:
        return Typed(wrong="no ISO moment") if found is None else Typed(iso(found.astimezone(UTC)))
    except OverflowError:
        return Typed(wrong="no moment of our calendar")


def _moment_of(value: Value) -> datetime | None:
    """Read an ISO date or moment; one without a zone is UTC's, a date its midnight."""
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value.strip())
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _flag(value: Value, _declared: AttributeType) -> Typed:
    if isinstance(value, bool):
        return Typed(value)
    found = None if isinstance(value, list) else _FLAGS.get(str(value).strip().casefold())
    return Typed(wrong="neither yes nor no") if found is None else Typed(found)


def _list(value: Value, _declared: AttributeType) -> Typed:
    if isinstance(value, list):
        return Typed(value)
    return Typed(wrong="no list") if isinstance(value, bool) else Typed([str(value)])


def _choice(value: Value, declared: AttributeType) -> Typed:
    if isinstance(value, list):
        return Typed(wrong="none of the values declared")
    said = str(value).strip().casefold()
    found = next((known for known in declared.values if known.casefold() == said), None)
    return Typed(wrong="none of the values declared") if found is None else Typed(found)


_PLAIN: Final = AttributeType(type="number")
_READERS: Final[dict[AttributeKind, Callable[[Value, AttributeType], Typed]]] = {
    "text": _text,
    "number": _number,
    "money": _money,
    "date": _date,
    "moment": _moment,
    "flag": _flag,
    "list": _list,
    "choice": _choice,
}
