"""Field by field: what one message says where, what becomes of it, and what nobody reads. Pure.

In: a source's entry, its compiled kind, one payload. Out: rows for a person who sets a source up;
unlike everything else of ingest they hold the values themselves.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Final, Literal

from services.ingest.mapper import mapping, reads, responses, values
from services.ingest.mapper.compiler import written_out
from services.ingest.mapper.paths import MISSING, Payload, Pick, compile_path
from services.ingest.mapper.reading import (
    Failed,
    happened_at,
    key,
    picked,
    revision,
    says_nothing,
)
from services.ingest.tryout.leaves import Keys, Leaf, leaves, path_of
from shared.times import iso

#: Seconds of a clock that only ever runs on.
Clock = Callable[[], float]
State = Literal["said", "not said", "cleared", "refused", "left out"]
_REFUSED: Final = object()

_SURVEY_CONTACT: Final = ("survey", "identifiers", "channel", "event_id")
_CASE: Final = ("case", "identifiers", "event_id")
_MESSAGE: Final = ("channel", "delivery_id", "identifiers", "event_id")
#: Which fields an event takes, beside when it happened; others of its source are not read.
_FIELDS: Final[Mapping[str, Sequence[str]]] = {
    "response": (
        *("survey", "response_id", "revision", "complete", "scale"),
        *("identifiers", "answers", "attributes", "consents"),
    ),
    "thin": ("survey", "response_id", "variables"),
    "invitation": _SURVEY_CONTACT,
    "shown": _SURVEY_CONTACT,
    "decline": _SURVEY_CONTACT,
    "opt_out": (*_SURVEY_CONTACT, "everything"),
    "case_opened": _CASE,
    "case_resolved": _CASE,
    "case_reopened": _CASE,
    "message_sent": _MESSAGE,
    "message_delivered": _MESSAGE,
    "message_bounced": _MESSAGE,
    "message_opened": _MESSAGE,
    "message_unsubscribed": (*_MESSAGE, "everything"),
    "action_completed": ("what", "delivery_id", "identifiers", "event_id"),
    "customer_update": ("identifiers", "attributes", "consents", "event_id"),
}


@dataclass(frozen=True, slots=True)
class Field:
    """One field: `path` is the written one that found it, `value` what becomes of it.

    `note` says why it was refused or left out; `micros` is what reading it costs.
    """

    name: str
    path: str
    state: State
    value: object
    note: str = ""
    micros: float = 0.0


@dataclass(frozen=True, slots=True)
class _Asked:
    """One field to read: the paths as written, how to get its raw value and what becomes of it."""

    name: str
    paths: Sequence[str]
    pick: Pick
    read: Callable[[Payload], object]


def traced(
    entry: reads.Reads,
    kind: mapping.Kind,
    shorthands: Mapping[str, Sequence[str]],
    fresh: Callable[[], Payload],
    now: datetime,
    *,
    clock: Clock,
    times: int = 25,
) -> tuple[Field, ...]:
    """Read every field of a kind; `entry` is the same kind as written, complete.

    `fresh` gives the payload without indexes, so that a list's index costs what it costs; the
    reading is repeated `times` and its median told.
    """
    asked = list(_asked(entry, kind, now))
    spent: list[list[float]] = [[] for _ in asked]
    for _ in range(times):
        payload = fresh()
        for place, one in enumerate(asked):
            started = clock()
            with suppress(Failed, values.Unreadable):
                one.read(payload)
            spent[place].append(clock() - started)
    payload = fresh()
    return tuple(
        _field(one, shorthands, payload, median(costs) * 1e6 if costs else 0.0)
        for one, costs in zip(asked, spent, strict=True)
    )


def unread(
    source: mapping.Mapping,
    kind: mapping.Kind | None,
    entry: reads.Reads,
    fresh: Payload,
    now: datetime,
) -> tuple[tuple[str, object], ...]:
    """List what of a message no field reads: whole branches where nothing of them is read.

    A value counts as read when taking it away changes what some path finds. The tree is put back
    as it was. Every pair is a path and what stands there.
    """
    picks = [test.pick for test, _ in source.ignore]
    picks += [test.pick for each in source.kinds for test in each.when]
    if kind is not None:
        picks += [one.pick for one in _asked(entry, kind, now)]
    before = _found(picks, fresh)
    told = [leaf for leaf in leaves(fresh.body) if not says_nothing(leaf.value)]
    ignored = {leaf.keys for leaf in told if _unchanged(picks, fresh, leaf, before)}
    read = {leaf.keys for leaf in told} - ignored
    kept = {keys[:length] for keys in read for length in range(len(keys) + 1)}
    branches: dict[Keys, object] = {}
    for leaf in told:
        if leaf.keys in ignored:
            branch = next(
                leaf.keys[:length]
                for length in range(len(leaf.keys) + 1)
                if leaf.keys[:length] not in kept
            )
            branches.setdefault(branch, _at(fresh.body, branch))
    return tuple((path_of(keys) or "(all of it)", value) for keys, value in branches.items())


def _unchanged(
    picks: Sequence[Pick], payload: Payload, leaf: Leaf, before: Sequence[object]
) -> bool:
    if not leaf.keys:
        return False
    parent, last = _at(payload.body, leaf.keys[:-1]), leaf.keys[-1]
    if isinstance(parent, list):
        parent[int(last)] = None  # taking it out would move those behind it
        after = _found(picks, payload)
        parent[int(last)] = leaf.value
    else:
        assert isinstance(parent, dict)  # noqa: S101 - leaves are in maps and lists only
        whole = dict(parent)
        del parent[last]
        after = _found(picks, payload)
        parent.clear()
        parent.update(whole)  # in the order that it had
    return after == before


def _at(node: object, keys: Keys) -> object:
    for one in keys:
        node = node[one]  # type: ignore[index]
    return node


def _found(picks: Sequence[Pick], payload: Payload) -> list[object]:
    alike = Payload(payload.body, payload.headers, payload.root, payload.query)
    return [_value(pick, alike) for pick in picks]


def _value(pick: Pick, payload: Payload) -> object:
    try:
        return repr(pick(payload))  # as text, or a list would change with the tree
    except values.Unreadable:
        return _REFUSED


def _field(
    one: _Asked, shorthands: Mapping[str, Sequence[str]], payload: Payload, micros: float
) -> Field:
    path = _told_by(one.paths, shorthands, payload)
    try:
        value = one.read(payload)
    except Failed as failed:
        return Field(one.name, path or failed.path, "refused", None, failed.rule, micros)
    except values.Unreadable as error:
        return Field(one.name, path or " | ".join(one.paths), "refused", None, str(error), micros)
    if isinstance(value, _LeftOut):
        return Field(one.name, path, "left out", value.raw, value.why, micros)
    if value is MISSING:
        return Field(one.name, " | ".join(one.paths), "not said", None, "", micros)
    return Field(one.name, path, "cleared" if value is None else "said", value, "", micros)


def _told_by(
    paths: Sequence[str], shorthands: Mapping[str, Sequence[str]], payload: Payload
) -> str:
    """Find which of the paths as written gave the value; a null counts if no other says more."""
    null = ""
    for path in paths:
        for text in written_out(path, shorthands) if path != "constant" else ():
            value = _raw(compile_path(text), payload)
            if not says_nothing(value):
                return path
            null = path if value is None else null
    return null or (" | ".join(paths) if len(paths) == 1 else "")


def _raw(pick: Pick, payload: Payload) -> object:
    try:
        return pick(payload)
    except values.Unreadable:
        return _REFUSED


@dataclass(frozen=True, slots=True)
class _LeftOut:
    """A value that is there and is not taken, and why."""

    raw: object
    why: str


def _asked(entry: reads.Reads, kind: mapping.Kind, now: datetime) -> Iterator[_Asked]:
    """List the fields that this kind of event takes."""
    when = kind.answered_at
    yield _Asked(
        "answered_at" if kind.becomes in ("response", "thin") else "when",
        _paths(entry.answered_at),
        when.pick if when else _nothing,
        lambda payload: _moment(kind, payload, now),
    )
    for name in _FIELDS[kind.becomes]:
        yield from _READ[name](entry, kind, now)


def _moment(kind: mapping.Kind, payload: Payload, now: datetime) -> object:
    moment, origin = happened_at(kind, payload, now)
    if origin == "platform":
        return iso(moment)
    raw = picked(kind.answered_at, payload)
    if says_nothing(raw):
        return _LeftOut(iso(moment), "not said: the time of receipt")
    return _LeftOut(iso(moment), "more than 10 min ahead: the time of receipt")


_Listing = Callable[[reads.Reads, mapping.Kind, datetime], Iterator[_Asked]]


def _plain(name: str) -> _Listing:
    """Read a field that is one text or id."""

    def listed(entry: reads.Reads, kind: mapping.Kind, _now: datetime) -> Iterator[_Asked]:
        reader: mapping.Reader | None = getattr(kind, name)
        if reader is not None:
            yield _Asked(
                name,
                _paths(getattr(entry, name)),
                reader.pick,
                lambda payload: picked(reader, payload),
            )

    return listed


def _id(name: str, most: int) -> _Listing:
    """Read an id without which there is no event."""

    def listed(entry: reads.Reads, kind: mapping.Kind, _now: datetime) -> Iterator[_Asked]:
        reader: mapping.Reader | mapping.HashReader | None = getattr(kind, name)
        spec: reads.Picked | reads.Hashed | None = getattr(entry, name)
        if isinstance(reader, mapping.HashReader):
            parts = reader.parts
            pick: Pick = lambda payload: [part(payload) for part in parts]  # noqa: E731
        else:
            pick = reader.pick if reader else _nothing
        yield _Asked(name, _paths(spec), pick, lambda payload: key(reader, payload, most))

    return listed


def _revision(entry: reads.Reads, kind: mapping.Kind, now: datetime) -> Iterator[_Asked]:
    reader = kind.revision
    if reader is not None:

        def read(payload: Payload) -> object:
            found = revision(kind, payload, now)
            return MISSING if found is None else found

        yield _Asked("revision", _paths(entry.revision), reader.pick, read)


def _complete(entry: reads.Reads, kind: mapping.Kind, _now: datetime) -> Iterator[_Asked]:
    test = kind.complete
    if isinstance(test, mapping.Test):
        assert isinstance(entry.complete, reads.Condition)  # noqa: S101 - the same, as written
        yield _Asked("complete", entry.complete.from_, test.pick, test.holds)
    else:
        yield _Asked("complete", ("constant",), _nothing, lambda _payload: test)


def _everything(entry: reads.Reads, kind: mapping.Kind, _now: datetime) -> Iterator[_Asked]:
    if entry.everything is not None and kind.everything is not None:
        yield _Asked(
            "everything", entry.everything.from_, kind.everything.pick, kind.everything.holds
        )


def _scale(_entry: reads.Reads, kind: mapping.Kind, _now: datetime) -> Iterator[_Asked]:
    for name, end in (("least", kind.score.least), ("most", kind.score.most)):
        if isinstance(end, mapping.Reader):
            yield _Asked(f"scale.{name}", (end.path,), end.pick, end.pick)


def _identifiers(entry: reads.Reads, kind: mapping.Kind, _now: datetime) -> Iterator[_Asked]:
    for name, reader in kind.identifiers:

        def read(payload: Payload, name: str = name, reader: mapping.Reader = reader) -> object:
            raw = picked(reader, payload)
            if says_nothing(raw):
                return MISSING
            found = values.identifier(name, raw, kind.rules)  # type: ignore[arg-type]
            return (
                _LeftOut(raw, f"is no {_WORDS.get(name, name)}") if found is None else found.value
            )

        written = next(spec for one, spec in entry.identifiers.items() if one == name)
        yield _Asked(f"identifiers.{name}", _paths(written), reader.pick, read)


_WORDS: Final = {"email": "e-mail address", "phone": "phone number", "external_id": "customer id"}


def _values(section: Literal["answers", "attributes"]) -> _Listing:
    def listed(entry: reads.Reads, kind: mapping.Kind, _now: datetime) -> Iterator[_Asked]:
        fields: Sequence[tuple[str, mapping.Reader, mapping.Reading]] = getattr(kind, section)
        specs: Mapping[str, reads.Picked | None] = getattr(entry, section)
        for name, reader, reading in fields:

            def read(
                payload: Payload,
                reader: mapping.Reader = reader,
                reading: mapping.Reading = reading,
            ) -> object:
                raw = reader.pick(payload)
                if raw is MISSING:
                    return MISSING
                found = reading(raw)
                told = found is MISSING and not says_nothing(raw)
                return _LeftOut(raw, "says nothing that this field knows") if told else found

            yield _Asked(f"{section}.{name}", _paths(specs[name]), reader.pick, read)

    return listed


def _consents(entry: reads.Reads, kind: mapping.Kind, _now: datetime) -> Iterator[_Asked]:
    for item, reader in zip(entry.consents, kind.consents, strict=True):

        def read(payload: Payload, reader: mapping.ConsentReader = reader) -> object:
            raw = reader.pick(payload)
            word = values.word(raw)
            if word in reader.granted or word in reader.refused:
                return "granted" if word in reader.granted else "refused"
            return MISSING if says_nothing(raw) else _LeftOut(raw, "says neither yes nor no")

        yield _Asked(f"consents.{item.channel}.{item.purpose}", item.from_, reader.pick, read)


def _variables(entry: reads.Reads, kind: mapping.Kind, _now: datetime) -> Iterator[_Asked]:
    for name, reader in kind.variables:
        yield _Asked(f"variables.{name}", _paths(entry.variables[name]), reader.pick, reader.pick)


_READ: Final[Mapping[str, _Listing]] = {
    "survey": _id("survey", responses.MAX_SURVEY),
    "response_id": _id("response_id", responses.MAX_RESPONSE_ID),
    "case": _id("case", responses.MAX_RESPONSE_ID),
    "what": _id("what", 64),
    "revision": _revision,
    "complete": _complete,
    "everything": _everything,
    "scale": _scale,
    "identifiers": _identifiers,
    "answers": _values("answers"),
    "attributes": _values("attributes"),
    "consents": _consents,
    "channel": _plain("channel"),
    "delivery_id": _plain("delivery_id"),
    "event_id": _plain("event_id"),
    "variables": _variables,
}


def _paths(spec: reads.Picked | reads.Hashed | None) -> Sequence[str]:
    if spec is None:
        return ()
    if isinstance(spec, reads.Hashed):
        return spec.hash
    return spec.from_ or ("constant",)


def _nothing(_payload: Payload) -> object:
    return MISSING
