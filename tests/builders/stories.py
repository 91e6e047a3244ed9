"""Stories of customers, and what a play makes of them: the words in which journeys are written.

Times are days from `NOON`, a Tuesday, one in the afternoon in Paris. A story is told about an
address; everything in it, answers and cases alike, is named by that.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from services.segmenter.profile.state import Step
from shared.events.envelope import Event
from shared.events.feedback import ResponseLink
from shared.events.outcomes import MessageSent
from shared.events.vocabulary import Channel, ConsentStatement, Purpose, Value
from tests.builders import facts
from tests.builders.facts import day
from tests.builders.house import Said, Story

MINUTE: Final = 1 / 24 / 60


@dataclass(frozen=True)
class Gets:
    """Who is reached, and what leaves. `after`: not before this day (None: within the hour)."""

    story: Story
    action: str
    template: str
    channel: Channel = "email"
    variant: str = "default"
    target: str = "sandbox"
    context: Mapping[str, Value] = field(default_factory=dict)
    after: float | None = None


@dataclass(frozen=True)
class Held:
    """Who is not: the last row's state with a part of its reason; no row, where state is None.

    `sent` is how often the play had reached her before. `unreached`: the platform is away for her.
    """

    story: Story
    state: str | None = None
    reason: str = ""
    sent: int = 0
    unreached: bool = False


@dataclass(frozen=True)
class Journey:
    """A play's promise, told by people; `signed`: somebody signs who can be answered."""

    play: str
    gets: Mapping[str, Gets]
    holds: Mapping[str, Held]
    days: float = 5
    signed: bool = True


def answer(
    score: int | None = None,
    at: float = 0,
    *,
    number: int = 1,
    told: float | None = None,
    yes: bool = True,
    **more: Any,
) -> Said:
    """She answers, and (`yes`) agrees to marketing by e-mail; `told`: when we hear of it."""

    def said(address: str) -> Event:
        agreed = facts.says(granted=True, at=day(at))
        return facts.answered(
            f"{address}/{number}",
            score,
            email=address,
            at=day(at),
            received=day(at if told is None else told),
            consents=(agreed,) if yes else (),
            **more,
        )

    return said


def earlier(score: int, at: float, number: int) -> Said:
    """An answer of long ago that was imported: it is known, and nobody reacts to it."""
    return answer(score, at, number=number, told=-2, yes=False, history=True)


def about(at: float = -1, /, **attributes: Value) -> Said:
    """What your systems tell of her."""
    return lambda address: _heard(
        facts.updated(*facts.ids_of(address), at=day(at), attributes=attributes), at
    )


def refuses(purpose: Purpose, *channels: Channel, at: float = -1) -> Said:
    """She says no, on these channels."""
    said = tuple(
        ConsentStatement(channel=one, purpose=purpose, granted=False, said_at=day(at))
        for one in channels
    )
    return lambda address: _heard(
        facts.updated(*facts.ids_of(address), at=day(at), consents=said), at
    )


def opts_out(at: float = -1) -> Said:
    """She wants no more surveys."""
    return lambda address: _heard(facts.opted_out(address, at=day(at)), at)


def case(step: Step, at: float, *, number: int = 1, told: float | None = None) -> Said:
    """A step of her case at the helpdesk, about her answer of that number."""

    def said(address: str) -> Event:
        link = ResponseLink(source="demo", survey="nps", response_id=f"{address}/{number}")
        event = facts.case(step, f"helpdesk/{address}", email=address, at=day(at), response=link)
        return _heard(event, at if told is None else told)

    return said


def completes(what: str, at: float = 0, *, told: float | None = None) -> Said:
    """She does what an action asks for."""
    return lambda address: _heard(
        facts.completed(what, address, at=day(at)), at if told is None else told
    )


def written_to(at: float) -> Said:
    """Somebody else writes to her."""
    return lambda address: _heard(facts.reported(MessageSent, address, at=day(at)), at)


def heard(said: Said, told: float) -> Said:
    """The same, of which we hear on another day."""
    return lambda address: _heard(said(address), told)


def _heard(event: Event, told: float) -> Event:
    return replace(event, time=day(told))
