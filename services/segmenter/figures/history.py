"""What one person's answers, contacts, cases and invitations say to the figures. Pure.

In: everything told by her, by those merged into her, or by nobody (who has answers only). Out: the
rows that are counted, each with what would else have to be looked up for it: the answer before and
after it, the contact that followed, how its case ended. They depend on no question and no day.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from services.segmenter.cases.cases import counting
from services.segmenter.profile.state import Profile

#: Clocks of two tools differ: an answer that seems a little older than its invitation is to it.
SKEW: Final = timedelta(minutes=10)
#: Among which answers the one before and after is looked for: all of hers, those of the same
#: survey, of the same source, of both.
SCOPES: Final = ("all", "survey", "source", "both")


@dataclass(frozen=True, slots=True)
class Given:
    """One answered survey, with or without a score."""

    source: str
    survey: str
    response_id: str
    answered_at: datetime
    score: int | None

    @property
    def identity(self) -> str:
        """Name it as its facts do."""
        return f"{self.source}/{self.survey}/{self.response_id}"

    @property
    def place(self) -> tuple[datetime, str]:
        """Place among hers, as the profile has it."""
        return self.answered_at, self.identity


@dataclass(frozen=True, slots=True)
class Said:
    """What an answer says beside its score: the reason of it, and whether there are words."""

    theme: str | None
    commented: bool


_NOTHING: Final = Said(None, commented=False)


@dataclass(frozen=True, slots=True)
class Told:
    """All that the figures need to know of one person.

    `contacts` are the moments of those that care for her; `invitations` survey and moment; `said`
    is by the identity of answers, empty where nobody asks for it.
    """

    profile: Profile
    given: Sequence[Given] = ()
    contacts: Sequence[datetime] = ()
    invitations: Sequence[tuple[str, datetime]] = ()
    said: Mapping[str, Said] = field(default_factory=dict)


@dataclass(slots=True)
class ToldAnswer:
    """One answer with a score. `before` and `next` by scope; `resolved_at` of its case."""

    given: Given
    before: Mapping[str, int]
    next: Mapping[str, datetime]
    cared_at: datetime | None
    resolved_at: datetime | None
    after: Given | None
    said: Said


@dataclass(frozen=True, slots=True)
class ToldCase:
    """One case; source and survey of the answer that it is about, if it names one."""

    opened_at: datetime
    resolved_at: datetime | None
    source: str | None
    survey: str | None


@dataclass(frozen=True, slots=True)
class ToldInvitation:
    """One invitation, the one to that survey before it, and the first answer since."""

    survey: str
    invited_at: datetime
    previous_at: datetime | None
    answered_at: datetime | None


def answers(told: Told) -> list[ToldAnswer]:
    """List the answers with a score in their order."""
    scored = sorted((one for one in told.given if one.score is not None), key=_place)
    times = [one.answered_at for one in scored]
    contacts = sorted(told.contacts)
    resolved = _resolved(told.profile)
    before = _neighbours(scored)
    following = _neighbours(reversed(scored))
    rows = []
    for one in scored:
        ended = resolved.get(one.identity)
        later = bisect_right(times, ended) if ended is not None else len(scored)
        contact = bisect_left(contacts, one.answered_at)
        rows.append(
            ToldAnswer(
                one,
                {scope: n.score for scope, n in before[one.place].items() if n.score is not None},
                {scope: n.answered_at for scope, n in following[one.place].items()},
                contacts[contact] if told.profile.known and contact < len(contacts) else None,
                ended,
                scored[later] if later < len(scored) else None,
                told.said.get(one.identity, _NOTHING),
            )
        )
    return rows


def cases(told: Told) -> list[ToldCase]:
    """List the cases that count; one of ours that a helpdesk took over does not."""
    known = {one.identity: (one.source, one.survey) for one in told.given}
    found = []
    for _, case in counting(told.profile):
        source, survey = known.get(case.answer or "") or _named(case.answer)
        found.append(ToldCase(case.opened_at, None if case.open else case.at, source, survey))
    return sorted(found, key=lambda case: case.opened_at)


def invitations(told: Told) -> list[ToldInvitation]:
    """List the invitations by survey, the earliest first."""
    sent, given = defaultdict(list), defaultdict(list)
    for survey, at in told.invitations:
        sent[survey].append(at)
    for one in told.given:
        given[one.survey].append(one.answered_at)
    found = []
    for survey in sorted(sent):
        times, answered = sorted(sent[survey]), sorted(given[survey])
        for previous, at in zip([None, *times], times, strict=False):
            first = bisect_left(answered, at - SKEW)
            back = answered[first] if first < len(answered) else None
            found.append(ToldInvitation(survey, at, previous, back))
    return found


def _neighbours(scored: Iterable[Given]) -> dict[tuple[datetime, str], dict[str, Given]]:
    """Lead from each answer to the one before it in this order, for every scope."""
    last: dict[tuple[str, ...], Given] = {}
    found = {}
    for one in scored:
        groups = {
            "all": ("all",),
            "survey": ("survey", one.survey),
            "source": ("source", one.source),
            "both": ("both", one.survey, one.source),
        }
        found[one.place] = {s: last[group] for s, group in groups.items() if group in last}
        last.update(dict.fromkeys(groups.values(), one))
    return found


def _resolved(profile: Profile) -> dict[str, datetime]:
    """Lead from an answer to when the first of its cases was resolved, if it still is."""
    found: dict[str, datetime] = {}
    for _, case in counting(profile):
        if not case.open and case.answer is not None:
            found[case.answer] = min(case.at, found.get(case.answer, case.at))
    return found


def _named(identity: str | None) -> tuple[str | None, str | None]:
    """Read source and survey of an answer that nobody told us yet."""
    source, _, rest = (identity or "").partition("/")
    survey = rest.rpartition("/")[0]
    return source or None, survey or None


def _place(one: Given) -> tuple[datetime, str]:
    return one.place
