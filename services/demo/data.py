"""The bundled data: ordinary answers, special cases, and the counts that must come of them.

In: the three files beside this module. Out: frozen values, or `ConfigError` naming file and line.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, Literal

import orjson
from pydantic import Field, model_validator

from shared.events.vocabulary import Segment, Tone
from shared.settings import Strict, load_yaml

_HERE: Final = Path(__file__).parent

Source = Literal["typeform-nps", "formbricks-nps", "shop"]
#: What the endpoint says to one request.
Answered = Literal["accepted", "quarantined", "ignored", "400", "401", "other"]


class Response(Strict):
    """One invented answer. `theme` is what its author meant; the connector is not told."""

    id: str
    source: Source
    minutes_ago: Annotated[int, Field(ge=0)] | None = None
    answered_at: str | None = None
    score: int | None = None
    theme: Literal["price", "delivery", "service", "product"] | None = None
    comment: str | None = None
    language: Literal["fr", "en"]
    tone: Tone | None = None
    title: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    email: str
    consent: Literal["yes", "no"] | None = None
    callback: Literal["yes", "no"] | None = None

    @model_validator(mode="after")
    def _has_one_time(self) -> "Response":
        if (self.minutes_ago is None) == (self.answered_at is None):
            raise ValueError("give minutes_ago or answered_at")
        return self


class Post(Strict):
    """One request of a special case, and what the endpoint must say to it."""

    send: Response
    tamper: Literal["forged", "stale", "unknown_source", "cut"] | None = None
    answer: Answered


class Case(Strict):
    """One special case: a customer, her requests in order, and what must come of them."""

    name: str
    title: str
    posts: Annotated[tuple[Post, ...], Field(min_length=1)]
    segment: Segment | None = None
    expect: tuple[str, ...]
    why: str

    @property
    def email(self) -> str:
        """The address by which her customer is found."""
        return self.posts[0].send.email


class _Cases(Strict):
    cases: tuple[Case, ...]


class Counts(Strict):
    """What came of everything that was posted; the same on every run.

    `answers`: requests by what the endpoint said. `customers`: found afterwards, by segment.
    `deliveries`: by "action/variant: state". `quarantine`: rows that the API lists for our posts.
    """

    posted: int
    answers: dict[str, int]
    customers: dict[str, int]
    deliveries: dict[str, int]
    quarantine: int


def responses() -> Sequence[Response]:
    """Read the ordinary answers: one customer each."""
    lines = (_HERE / "responses.jsonl").read_bytes().splitlines()
    return [Response.model_validate(orjson.loads(line)) for line in lines]


def cases() -> Sequence[Case]:
    """Read the special cases."""
    return load_yaml(_HERE / "cases.yaml", _Cases).value.cases


def expected() -> Counts:
    """Read the counts that every run must give."""
    return Counts.model_validate(orjson.loads((_HERE / "expected.json").read_bytes()))
