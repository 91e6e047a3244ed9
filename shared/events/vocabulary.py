"""The closed words of the product that cross service borders (glossary: README)."""

from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeVar

import orjson
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from shared.times import in_utc, iso

Segment = Literal["detractor", "passive", "promoter"]
Channel = Literal["email", "sms", "call", "post", "ticket", "chat"]
ContactClass = Literal["service", "marketing", "asked_for", "survey", "internal"]
Purpose = Literal["marketing", "survey", "service"]
IdentifierKind = Literal["external_id", "email", "phone", "response"]
Tone = Literal["tu", "vous"]

#: A moment in UTC; on the wire `2026-11-21T20:00:00.000000Z`, always six fraction digits so that
#: texts sort as times do and equal moments give equal bytes.
Moment = Annotated[
    AwareDatetime,
    AfterValidator(in_utc),
    PlainSerializer(iso, return_type=str, when_used="json"),
]

_Item = TypeVar("_Item")


class Ready(tuple[_Item, ...]):
    """A tuple that most decisions hold as it is; its JSON is kept beside it once it was written.

    Nothing of one person belongs in it: it may live as long as the process.
    """

    json: orjson.Fragment | None = None


def _as_is(said: object, read: ValidatorFunctionWrapHandler) -> object:
    return said if isinstance(said, Ready) else read(said)


#: Lets a field of a tuple keep one that is `Ready`, which we alone make: nothing read is one.
#: A decision with both of its own is written in 25 µs instead of 35.
MaybeReady: Final = WrapValidator(_as_is)


#: One answer or attribute. A key that is absent was not said; an explicit null was cleared.
Value = str | bool | int | float | list[str] | None


if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass as _Plain
else:

    class _Plain(type(BaseModel)):
        """Answers `isinstance` as any class does: pydantic's way, for virtual subclasses, is slow.

        A decision asks some sixty times what kind of event it is about: 90 of 1 600 µs.
        """

        __instancecheck__ = type.__instancecheck__


class Fact(BaseModel, metaclass=_Plain):
    """Base of every wire value: frozen, and tolerant of fields a newer writer adds."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Identifier(Fact):
    """A normalised way to recognise a customer; `shared.identifiers` makes them.

    `response` (value `source/survey/response id`) is no personal identifier: it only ties the
    messages of one response together when a later one carries no address.
    """

    kind: IdentifierKind
    value: Annotated[str, Field(min_length=1, max_length=512)]


class ConsentStatement(Fact):
    """What a person said about being contacted: yes or no, for a channel (or all) and a purpose."""

    channel: Channel | Literal["all"]
    purpose: Purpose
    granted: bool
    said_at: Moment
    text_version: str | None = None
    proof: str | None = None
