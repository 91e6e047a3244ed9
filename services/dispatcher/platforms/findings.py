"""Judging what is there on a platform before anything is sent. Pure.

In: a preset's inspections, what a target writes and names, the platform's answers. Out: findings
with bounded reasons, and what was seen of the fields in use, so that a later look can tell a drift.
Nothing of an answer is told but names that the target itself uses, and the platform's types.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from services.dispatcher.platforms.fields import Written
from services.dispatcher.platforms.inspection import FieldsAt, Inspection, Kind, NamesAt
from services.dispatcher.platforms.pick import pick

#: `credentials`: the account is refused · `unreachable`: no answer now · `unreadable`: not the
#: answer that is documented · the rest is not there, or not as it is written · `drift`: another
#: than it was, told until it is that again or somebody takes it for right.
Reason = Literal[
    "credentials",
    "unreachable",
    "unreadable",
    "field_missing",
    "field_type",
    "value_missing",
    "template_missing",
    "event_missing",
    "drift",
]
REASONS: Final[tuple[Reason, ...]] = Reason.__args__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, in words that hold nothing of a customer."""

    reason: Reason
    what: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look brought: findings, and each field in use with its type and values."""

    findings: tuple[Finding, ...] = ()
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Used:
    """What a target uses of its platform."""

    attributes: Mapping[str, Written]
    templates: frozenset[str]
    events: frozenset[str]


#: A field in use that is not there, as it is kept.
_ABSENT: Final = "absent"
#: What our attributes are; what is not here (a shop's own) is not judged by type.
_KINDS: Final[Mapping[str, Kind]] = {
    **dict.fromkeys(
        ("nps_score", "nps_response_count", "nps_fatigue_threshold", "nps_maturity"), "number"
    ),
    **dict.fromkeys(("nps_answered_at", "nps_first_answered_at", "nps_next_survey_at"), "moment"),
    "nps_mature": "boolean",
    **dict.fromkeys(
        ("nps_segment", "nps_previous_segment", "nps_move", "nps_comment", "nps_theme"), "text"
    ),
    **dict.fromkeys(("lifecycle", "called_by", "language", "tone", "first_name"), "text"),
    **dict.fromkeys(("last_name", "title"), "text"),
}
#: All values of ours where there are few: each must have its place in an enumeration.
_VALUES: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("nps_segment", "nps_previous_segment"), ("detractor", "passive", "promoter")),
    "tone": ("tu", "vous"),
}


def inspect(inspection: Inspection, answer: Any, used: Used) -> Seen:
    """Judge one answer (parsed JSON); the account's vars stand in the inspection already."""
    if inspection.present is not None and pick(answer, inspection.present) is None:
        return Seen((Finding("credentials", f"{inspection.id}: the platform does not know us"),))
    if inspection.names is not None:
        return Seen(tuple(_missing(inspection.id, inspection.names, answer, used)))
    if inspection.fields is None:
        return Seen()
    described = _described(inspection.fields, answer)
    if described is None:
        return Seen((Finding("unreadable", f"{inspection.id}: no {inspection.fields.at}"),))
    return _fields(inspection.fields, described, used.attributes)


def drifted(
    right: Mapping[str, str],
    now: Mapping[str, str],
    told: Iterable[str] = (),
    used: Collection[str] = (),
) -> tuple[Finding, ...]:
    """Tell which fields are another than they were when they were right.

    One that is new in use, or was missing and now is there, is no drift. A field in use (`used`)
    that this look did not see is as it was `told` to have drifted.
    """
    found = []
    for name, was in sorted(right.items()):
        words = f"{name}: was {was}, is "
        if name in now:
            if was not in (_ABSENT, now[name]):
                found.append(words + now[name])
        elif name in used:
            found += [what for what in told if what.startswith(words)]
    return tuple(Finding("drift", what) for what in found)


def settled(right: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    """Return what the fields are when they are right: what was seen of each first.

    So a drift is told by every look until it is mended, not by the next one alone.
    """
    known = {name: was for name, was in right.items() if was != _ABSENT}
    return {**right, **now, **known}


def _missing(label: str, names: NamesAt, answer: Any, used: Used) -> Iterable[Finding]:
    found = pick(answer, names.items)
    items = list(found.values()) if isinstance(found, dict) else found
    if not isinstance(items, list):
        yield Finding("unreadable", f"{label}: no {names.items}")
        return
    if names.page is not None and len(items) >= names.page:
        return
    there = {str(pick(item, names.name)) for item in items}
    if names.of == "template":
        for name in sorted(used.templates - there):
            yield Finding("template_missing", f"template {name} is not there")
        return
    for name in sorted(used.events - there):
        yield Finding("event_missing", f"event {name} is not there")


def _described(fields: FieldsAt, answer: Any) -> dict[str, Any] | None:
    """Read the descriptions by field name."""
    found = pick(answer, fields.at)
    if isinstance(found, dict) and fields.name is None:
        return found
    items = list(found.values()) if isinstance(found, dict) else found
    if not isinstance(items, list) or fields.name is None:
        return None
    return {str(pick(item, fields.name)): item for item in items}


def _fields(
    fields: FieldsAt, described: Mapping[str, Any], attributes: Mapping[str, Written]
) -> Seen:
    beyond = fields.made or (fields.page is not None and len(described) >= fields.page)
    findings = [
        Finding("field_missing", f"{name}, which our requests write, is not there")
        for name in fields.ours
        if name not in described and not beyond
    ]
    seen: dict[str, str] = {}
    for ours, written in attributes.items():
        name = written.field
        if name not in described and beyond:
            continue
        if name not in described:
            findings.append(Finding("field_missing", f"{name} (for {ours}) is not there"))
            seen[name] = _ABSENT
            continue
        one = described[name]
        said = pick(one, fields.type) if fields.type else None
        kind = said if isinstance(said, str) else "unknown"
        values = _values(fields, one)
        seen[name] = kind if values is None else f"{kind} of {', '.join(sorted(values))}"
        wanted = _kind(ours, written)
        takes = fields.types.get(kind)
        if values is None and takes is not None and wanted is not None and wanted not in takes:
            findings.append(
                Finding("field_type", f"{name} is {kind}, {ours} is written as {wanted}")
            )
        if values is not None:
            findings += [
                Finding("value_missing", f"{name} has no value {value} (for {ours})")
                for value in _written_values(ours, written)
                if value not in values
            ]
    return Seen(tuple(findings), seen)


def _values(fields: FieldsAt, one: Any) -> set[str] | None:
    """Read an enumeration's values; None: it is none."""
    found = pick(one, fields.values) if fields.values else None
    if isinstance(found, dict) and found:
        return {str(value) for value in found}
    if isinstance(found, list) and found:
        return {str(pick(item, fields.value) if fields.value else item) for item in found}
    return None


def _kind(ours: str, written: Written) -> Kind | None:
    """Tell what is written: a value map and the kind `text` make a text of anything."""
    if written.kind == "text" or written.values:
        return "text"
    return "moment" if written.kind == "moment" else _KINDS.get(ours)


def _written_values(ours: str, written: Written) -> tuple[str, ...]:
    """List the values that will be written, as far as they are known before."""
    known = _VALUES.get(ours, ())
    mapped = [written.values.get(value, value) for value in known]
    return tuple(dict.fromkeys([*mapped, *written.values.values()]))
