"""A row of a file that tells the past → an event that nobody reacts to, or a clear no. Pure.

In: how a source's rows are read (`columns`), one row, where the data comes from, the time of the
import. Out: an outcome as of any message; its identity is that of the same answer told by a
webhook, so what is known already is known still.
"""

from dataclasses import replace
from datetime import datetime
from typing import Final

from services.ingest.decode.payload import Payload
from services.ingest.mapper.mapping import Mapping
from services.ingest.told import Outcome, Thin, Translated, Unmappable
from services.ingest.translate import translate
from shared.events.envelope import EventData
from shared.events.feedback import (
    CustomerUpdated,
    InvitationSent,
    Provenance,
    ResponseReceived,
    SurveyDeclined,
    SurveyOptedOut,
    SurveyShown,
)

#: From the least to the most suspect: of two words about one row the stricter counts.
_STRICTER: Final[tuple[Provenance | None, ...]] = (None, "own", "partner", "bought")
_NO_ROW: Final = Unmappable("*", "not a row of named fields")
_NO_TIME: Final = Unmappable(
    "answered_at", "history must say when it was, in the past: map a column, or give a constant"
)
_OF_ANOTHER_KIND: Final = Unmappable(
    "becomes", "a file tells answers, customers, invitations, declines and opt-outs only"
)


def read_row(mapping: Mapping, row: object, provenance: Provenance, now: datetime) -> Outcome:
    """Read one row; `now` (aware) is when it is read."""
    if not isinstance(row, dict):
        return _NO_ROW
    found = translate(mapping, Payload(row), now)
    if isinstance(found, Thin):
        return _OF_ANOTHER_KIND
    if not isinstance(found, Translated):
        return found
    event = found.told.event
    data = _past(event.data, provenance, now)
    if isinstance(data, Unmappable):
        return data
    return replace(found, told=replace(found.told, event=replace(event, data=data)))


def _past(data: EventData, provenance: Provenance, now: datetime) -> EventData | Unmappable:
    """Mark what is told as the past. An answer of unknown time would count as one of today."""
    match data:
        case ResponseReceived():
            if data.answered_at_origin != "platform":
                return _NO_TIME
            said = _stricter(data.provenance, provenance)
            return data.model_copy(update={"history": True, "provenance": said})
        case CustomerUpdated():
            said = _stricter(data.provenance, provenance)
            return data.model_copy(update={"provenance": said})
        case InvitationSent() | SurveyShown() | SurveyDeclined():
            return _NO_TIME if data.occurred_at == now else data
        case SurveyOptedOut():
            return data
        case _:
            return _OF_ANOTHER_KIND


def _stricter(one: Provenance | None, other: Provenance) -> Provenance | None:
    return max(one, other, key=_STRICTER.index)
