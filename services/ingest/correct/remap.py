"""What another mapping makes of a message that was understood: what differs, and its revision.

In: the outcome under the mapping of then and under that of today. Out: nothing, if both say the
same; else the differences, and the event that corrects what was told, or why none can. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from services.ingest.decode.payload import MISSING
from services.ingest.told import Ignored, Outcome, Thin, Told, Translated, Unmappable
from shared.events import ids
from shared.events.feedback import ResponseReceived
from shared.events.vocabulary import ConsentStatement
from shared.times import iso

_METRICS: Final = ("nps", "csat", "ces", "stars")


@dataclass(frozen=True, slots=True)
class Difference:
    """One field, then and now; `MISSING` where it is not said.

    `stays`: a revision says it, but readers keep what was told first, for that is the safer one.
    """

    field: str
    old: object
    new: object
    stays: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """What would change for one message. `told` is None where `refused` says why."""

    place: int
    differences: tuple[Difference, ...]
    told: Told | None
    refused: str | None = None


def change(place: int, old: Outcome, new: Outcome, turn: int) -> Change | None:
    """Compare what was told with what would be told now; None if nothing is to be done.

    `turn` counts the revisions of this body from 1: each is an event of its own, also when a
    mapping is changed back.
    """
    if not isinstance(old, Translated):
        # Nothing was told of it: what is understood now is told as if it came understood.
        return Change(place, (), new.told) if isinstance(new, Translated) else None
    if not isinstance(new, Translated):
        return Change(place, (), None, _lost(new))
    was, now = old.told.event.data, new.told.event.data
    if isinstance(was, ResponseReceived) and isinstance(now, ResponseReceived):
        return _of_answers(place, was, now, new.told, turn)
    if old.told.event.id == new.told.event.id:
        return None
    return Change(place, _of_reports(was, now), None, _NO_REVISION)


def _of_answers(
    place: int, was: ResponseReceived, now: ResponseReceived, told: Told, turn: int
) -> Change | None:
    differences = tuple(_differences(was, now))
    if not differences:
        return None
    if refused := _refusal(was, now):
        return Change(place, differences, None, refused)
    return Change(place, differences, _revision(told, was, now, turn))


_NO_REVISION: Final = "only answers have revisions: what was told of another kind stays"


def _lost(new: Ignored | Thin | Unmappable) -> str:
    match new:
        case Unmappable():
            return f"not understood now ({new.path}: {new.rule}): what was told stays"
        case Ignored():
            return f"ignored now ({new.reason}): what was told stays"
        case Thin():
            return "a message of ids only now: what was told stays"


def _refusal(was: ResponseReceived, now: ResponseReceived) -> str | None:
    """Say why a revision would do harm."""
    if (was.source, was.survey, was.response_id) != (now.source, now.survey, now.response_id):
        return "another survey or response id: it would be a second answer, beside the one told"
    lost = {i for i in was.identifiers if i not in now.identifiers}
    if lost:
        kinds = ", ".join(sorted({identifier.kind for identifier in lost}))
        return f"it named somebody else ({kinds}): both would be taken for one person"
    return None


def _revision(told: Told, was: ResponseReceived, now: ResponseReceived, turn: int) -> Told:
    """Make the event that corrects the one told then.

    It says what is said now, and clears what is said no more. It takes the place of the first
    message among all of its response: the same revision, and a receipt later by next to nothing. A
    receipt of today would win over messages that came after it and changed the answer since.
    """
    revision = max((r for r in (was.revision, now.revision) if r is not None), default=None)
    data = now.model_copy(
        update={
            "revision": revision,
            "received_at": now.received_at + timedelta(microseconds=turn),
            "answers": _cleared(was.answers, now.answers),
            "attributes": _cleared(was.attributes, now.attributes),
            "consents": (*now.consents, *_withdrawn(was, now)),
        }
    )
    event = told.event
    event_id = ids.name_id("revised", event.id, turn, ids.content_hash(_plain(data)))
    return replace(told, event=replace(event, id=event_id, data=data))


def _cleared(was: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    return {**{name: None for name in was if name not in now}, **now}


def _withdrawn(was: ResponseReceived, now: ResponseReceived) -> list[ConsentStatement]:
    """Take back each yes that is said no more: one that was never given must not stand.

    Neither must one that came with an address which turns out to be bought, without a proof of its
    own: the message itself is none.
    """
    message = f"{now.source}/{now.survey}/{now.response_id}"
    bought = now.provenance == "bought"
    said = {
        (one.channel, one.purpose)
        for one in now.consents
        if not bought or one.proof not in (None, message)
    }
    return [
        one.model_copy(update={"granted": False})
        for one in was.consents
        if one.granted and (one.channel, one.purpose) not in said
    ]


def _differences(was: ResponseReceived, now: ResponseReceived) -> list[Difference]:
    old, new = _fields(was), _fields(now)
    found: list[Difference] = []
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name, MISSING), new.get(name, MISSING)
        if before != after:
            found.append(Difference(name, before, after, _stays(name, before, after, was, now)))
    return found


def _stays(
    name: str, before: object, after: object, was: ResponseReceived, now: ResponseReceived
) -> bool:
    """Tell whether readers keep the old word: each joins all messages by a rule of its own."""
    if name == "complete":
        return before is True  # an answer that was whole once is not taken apart
    if name == "metric":
        return _METRICS.index(was.metric) > _METRICS.index(now.metric)
    if name == "revision":
        return before is not MISSING and (after is MISSING or now.revision < was.revision)  # type: ignore[operator]
    if name.startswith("consents."):
        return before is False  # said at one moment, the no counts
    if name.startswith("attributes."):
        return now.answered_at < was.answered_at  # attributes are ordered by when it happened
    return False


def _fields(data: ResponseReceived) -> dict[str, object]:
    """List what an answer says by name; None is "cleared", and what is not there is not said."""
    people: dict[str, list[str]] = {}
    for identifier in data.identifiers:
        if identifier.kind != "response":
            people.setdefault(identifier.kind, []).append(identifier.value)
    optional = {
        "revision": data.revision,
        "given": data.given and data.given.model_dump(mode="json"),
        "provenance": data.provenance,
    }
    return {
        "survey": data.survey,
        "response_id": data.response_id,
        "answered_at": iso(data.answered_at),
        "complete": data.complete,
        "metric": data.metric,
        **{name: value for name, value in optional.items() if value is not None},
        **{f"identifiers.{kind}": sorted(known) for kind, known in people.items()},
        **{f"answers.{name}": value for name, value in data.answers.items()},
        **{f"attributes.{name}": value for name, value in data.attributes.items()},
        **{f"consents.{one.channel}.{one.purpose}": one.granted for one in data.consents},
        **{
            f"consents.{one.channel}.{one.purpose}.text_version": one.text_version
            for one in data.consents
            if one.text_version is not None
        },
    }


def _of_reports(was: Any, now: Any) -> tuple[Difference, ...]:
    """List what differs between two events of which at least one is no answer."""
    old = {"type": was.TYPE, **was.model_dump(mode="json")}
    new = {"type": now.TYPE, **now.model_dump(mode="json")}
    names = [name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)]
    return tuple(Difference(name, old.get(name, MISSING), new.get(name, MISSING)) for name in names)


def _plain(data: ResponseReceived) -> dict[str, Any]:
    return data.model_dump(mode="json", exclude={"received_at"})
