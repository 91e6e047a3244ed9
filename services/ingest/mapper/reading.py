"""The fields that messages of every kind have: ids, times, people, answers, consents.

In: a kind's readers and one payload. Out: wire values, or `Failed` naming the path and the rule
(nothing of the value). Pure.
"""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, Final, cast

import orjson

from services.ingest.decode.payload import MISSING, Payload, says
from services.ingest.mapper import moments, values
from services.ingest.mapper.mapping import ConsentReader, HashReader, Kind, Reader, Reading, Test
from shared.events.feedback import TimeOrigin
from shared.events.vocabulary import Channel, ConsentStatement, Identifier, Value

#: A web address, or a document's number.
MAX_PROOF: Final = 512
#: Marks a response id of our own making, where the tool gives none.
HASHED: Final = "hash:"


class Failed(Exception):
    """A field is not what its rule wants."""

    def __init__(self, path: str, rule: str) -> None:
        super().__init__(rule)
        self.path = path
        self.rule = rule


def picked(reader: Reader | None, payload: Payload) -> object:
    """Return the raw value, or `MISSING`. Raises `Failed` where a conversion refuses it."""
    if reader is None:
        return MISSING
    try:
        return reader.pick(payload)
    except values.Unreadable as error:
        raise Failed(reader.path, str(error)) from None


def said(reader: Reader | None, payload: Payload) -> object:
    """Return the raw value; "" and null are `MISSING` too, for fields that cannot be cleared."""
    if reader is None:
        return MISSING
    raw = picked(reader, payload)
    return raw if says(raw) else MISSING


def holds(test: Test, payload: Payload) -> bool:
    """Tell whether a condition holds. Raises `Failed` where its `expr:` refuses what is there."""
    try:
        return test.holds(payload)
    except values.Unreadable as error:
        raise Failed(test.path, str(error)) from None


def says_nothing(raw: object) -> bool:
    """Tell whether a raw value is absent, null or blank."""
    return not says(raw)


def key(reader: Reader | HashReader | None, payload: Payload, most: int) -> str:
    """Read an id that must be there."""
    if isinstance(reader, HashReader):
        return _hashed(reader, payload)
    if reader is None:
        raise Failed("*", "no path is configured for an id that this event needs")
    try:
        return values.key_text(reader.pick(payload), most)
    except values.Unreadable as error:
        raise Failed(reader.path, str(error)) from None


def _hashed(reader: HashReader, payload: Payload) -> str:
    try:
        found = [pick(payload) for pick in reader.parts]
    except values.Unreadable as error:
        raise Failed(reader.path, str(error)) from None
    if all(says_nothing(value) for value in found):
        raise Failed(reader.path, "none of the fields that make the id is said")
    said_values = [None if says_nothing(value) else value for value in found]
    try:
        content = orjson.dumps(said_values, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:  # an `expr:` makes numbers that JSON's readers do not
        raise Failed(reader.path, "holds a number of more than 64 bits") from None
    return HASHED + sha256(content).hexdigest()[:32]


def claimed(kind: Kind, reader: Reader | None, payload: Payload) -> datetime | None:
    """Read a time as the platform tells it, by whatever clock; None where it tells none."""
    raw = said(reader, payload)
    if reader is None or raw is MISSING:
        return None
    try:
        return moments.parse(raw, kind.zone, kind.zones, kind.dates)
    except values.Unreadable as error:
        raise Failed(reader.path, str(error)) from None


def happened_at(kind: Kind, payload: Payload, received_at: datetime) -> tuple[datetime, TimeOrigin]:
    """Read when it happened: the platform's time, else the receipt time, and which of them."""
    moment = claimed(kind, kind.answered_at, payload)
    if kind.answered_at is None or moment is None:
        return received_at, "receipt"
    if moment < received_at - kind.not_before:
        raise Failed(kind.answered_at.path, "older than not_before_days allows")
    return moments.placed(moment, received_at)


def revision(kind: Kind, payload: Payload, received_at: datetime) -> int | None:
    """Read what orders the messages of one response; a time too far ahead would win for ever."""
    if kind.revision_is_time:
        moment = claimed(kind, kind.revision, payload)
        if moment is None or moments.placed(moment, received_at)[1] == "future":
            return None
        return moments.milliseconds(moment)
    raw = said(kind.revision, payload)
    if kind.revision is None or raw is MISSING:
        return None
    try:
        return _counter(raw)
    except values.Unreadable as error:
        raise Failed(kind.revision.path, str(error)) from None


def _counter(raw: object) -> int:
    text = str(raw).strip() if isinstance(raw, str | int) and not isinstance(raw, bool) else ""
    # Eighteen digits fit PostgreSQL's bigint.
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise values.Unreadable("not a counter: a whole number from 0 on")
    return int(text)


def people(kind: Kind, payload: Payload) -> tuple[tuple[Identifier, ...], tuple[str, ...]]:
    """Normalise what tells the person. What is said and is no address does not lose the answer."""
    known: list[Identifier] = []
    unread: list[str] = []
    for name, reader in kind.identifiers:
        raw = said(reader, payload)
        if raw is MISSING:
            continue
        found = values.identifier(name, raw, kind.rules)
        if found is None:
            unread.append(name)
        else:
            known.append(found)
    return tuple(known), tuple(unread)


def unread_marks(unread: Sequence[str]) -> dict[str, Value]:
    """Tell readers which identifiers were said and are none, as attributes: never what was said."""
    return {f"unread_{name}": True for name in unread}


def fields(readers: Sequence[tuple[str, Reader, Reading]], payload: Payload) -> dict[str, Value]:
    """Read answers or attributes: absent and "" are not said, an explicit null is cleared."""
    found: dict[str, Any] = {}
    for name, reader, read in readers:
        try:
            raw = reader.pick(payload)
            if raw is MISSING:
                continue
            value = read(raw)
        except values.Unreadable as error:
            raise Failed(reader.path, str(error)) from None
        if value is not MISSING:
            found[name] = value
    return found


def consents(
    kind: Kind, payload: Payload, said_at: datetime, proof: str
) -> tuple[ConsentStatement, ...]:
    """Read who said yes or no to what; any other value says nothing, which is never a yes.

    `proof` names the message itself, for a field that maps no proof of its own.
    """
    statements: list[ConsentStatement] = []
    for field in kind.consents:
        try:
            raw = field.pick(payload)
        except values.Unreadable as error:
            raise Failed(field.path, str(error)) from None
        if raw is MISSING:  # most messages say nothing of most consents
            continue
        word = values.word(raw)
        if word in field.granted or word in field.refused:
            statements.append(
                ConsentStatement(
                    channel=cast("Channel", field.channel),
                    purpose=field.purpose,
                    granted=word in field.granted,
                    said_at=said_at,
                    text_version=field.text_version,
                    proof=_proof(field, payload) or proof,
                )
            )
    return tuple(statements)


def _proof(field: ConsentReader, payload: Payload) -> str | None:
    return None if said(field.proof, payload) is MISSING else key(field.proof, payload, MAX_PROOF)
