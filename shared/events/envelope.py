"""CloudEvents 1.0 structured JSON around our data (https://cloudevents.io, spec 1.0.2).

`dataversion` is our extension attribute: `major.minor` of the data's type. A higher minor version
is read (unknown fields ignored); an unknown type or major version is `UnknownEvent`, which stops
the partition for a grace time: a newer release may still be rolling out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import orjson
from pydantic import ValidationError

from shared.errors import Unprocessable
from shared.events import decisions, feedback, outcomes
from shared.events.vocabulary import Fact, Ready
from shared.times import iso

EventData = feedback.FeedbackData | decisions.DecisionData | outcomes.OutcomeData

FEEDBACK: Final = "nps.feedback"
DECISIONS: Final = "nps.decisions"
OUTCOMES: Final = "nps.outcomes"

#: Each type we know: its data and the topic that carries it.
TYPES: Final[Mapping[str, tuple[type[EventData], str]]] = {
    **{
        model.TYPE: (model, FEEDBACK)
        for model in (
            feedback.ResponseReceived,
            feedback.InvitationSent,
            feedback.SurveyShown,
            feedback.SurveyDeclined,
            feedback.SurveyOptedOut,
            feedback.CaseOpened,
            feedback.CaseResolved,
            feedback.CaseReopened,
            feedback.CustomerUpdated,
            feedback.MergeRequested,
            feedback.UnmergeRequested,
            feedback.ErasureRequested,
            feedback.TimerDue,
        )
    },
    **{
        model.TYPE: (model, DECISIONS)
        for model in (
            decisions.CustomerDecided,
            decisions.CustomerMerged,
            decisions.CustomerUnmerged,
            decisions.CustomerErased,
            decisions.SegmenterProgressed,
            decisions.OwnerWeekCounted,
            decisions.FigureChanged,
        )
    },
    **{
        model.TYPE: (model, OUTCOMES)
        for model in (
            outcomes.DeliverySettled,
            outcomes.MessageSent,
            outcomes.MessageDelivered,
            outcomes.MessageBounced,
            outcomes.MessageOpened,
            outcomes.MessageUnsubscribed,
            outcomes.ActionCompleted,
            outcomes.ErasureConfirmed,
        )
    },
}


class UnknownEvent(Unprocessable):
    """A type or major version this release cannot read; a later one might."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event: who says it, when it happened, and its data."""

    id: UUID
    source: str
    time: datetime
    data: EventData

    @property
    def type(self) -> str:
        """The CloudEvents type, e.g. `survey.response.received`."""
        return self.data.TYPE

    @property
    def topic(self) -> str:
        """The one topic that carries this type."""
        return TYPES[self.data.TYPE][1]


def encode(event: Event) -> bytes:
    """Write an event as the bytes of one record.

    Response patches keep the difference between "not said" and null because answers are plain maps.
    """
    return _json(
        {
            "specversion": "1.0",
            "id": event.id,
            "source": event.source,
            "type": event.type,
            "time": event.time,
            "datacontenttype": "application/json",
            "dataversion": event.data.VERSION,
            "data": event.data,
        }
    )


def written(data: EventData) -> bytes:
    """Write the data of an event alone, as `encode` does."""
    return _json(data)


def topic_of(line: str) -> str:
    """Name the topic of an event that `encode` wrote."""
    return TYPES[orjson.loads(line)["type"]][1]


def _json(value: object) -> bytes:
    # A third of the time of pydantic's own way to JSON, with our way to write a moment.
    return orjson.dumps(value, default=_as_wire, option=orjson.OPT_PASSTHROUGH_DATETIME)


def _as_wire(value: object) -> str | dict[str, object] | orjson.Fragment:
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, Fact):
        return value.__dict__  # its fields in their order, and nothing else: see the models
    if isinstance(value, Ready):
        if value.json is None:
            value.json = orjson.Fragment(_json(tuple(value)))
        return value.json
    if isinstance(value, UUID):  # the database's driver gives a class of its own
        return str(value)
    raise TypeError(type(value).__name__)


def decode(raw: bytes) -> Event:
    """Read a record. Raises `UnknownEvent` (may be readable later) or `Unprocessable` (never)."""
    try:
        envelope = orjson.loads(raw)
        type_, version = str(envelope["type"]), str(envelope["dataversion"])
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise Unprocessable(f"not a CloudEvent of ours: {type(error).__name__}") from None
    known = TYPES.get(type_)
    if known is None or version.split(".", maxsplit=1)[0] != known[0].VERSION.split(".")[0]:
        raise UnknownEvent("unknown event type or major version")
    try:
        return Event(
            id=UUID(envelope["id"]),
            source=str(envelope["source"]),
            time=_aware(envelope["time"]),
            data=known[0].model_validate(envelope["data"]),
        )
    except ValidationError as error:
        where = ", ".join(".".join(map(str, e["loc"])) for e in error.errors()[:3])
        raise Unprocessable(f"data does not fit {known[0].TYPE}: {where}") from None
    except (KeyError, TypeError, ValueError) as error:
        raise Unprocessable(f"envelope does not fit: {type(error).__name__}") from None


def _aware(moment: str) -> datetime:
    """Read a moment; one without a zone would stand for another time on each machine."""
    read = datetime.fromisoformat(moment)
    if read.tzinfo is None:
        raise ValueError("a time without a zone")
    return read
