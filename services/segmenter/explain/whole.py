"""One explanation whole: who she is, what was decided, what may be done, what comes next. Pure.

In: a customer as the API shows her, the policy, the time, a language. Out: titled lines, each with
its code and values for a program and its sentence for a person.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import Field

from services.segmenter.api.views import CustomerView, View
from services.segmenter.decide import clocks
from services.segmenter.decide.decide import Rulebook
from services.segmenter.decide.looking import look
from services.segmenter.eligibility import eligibility
from services.segmenter.explain import ahead, may, past
from services.segmenter.explain.say import Point, Words, plain, sentence
from services.segmenter.explain.who import who
from services.segmenter.explain.words_en import ENGLISH
from services.segmenter.explain.words_fr import FRENCH
from services.segmenter.profile.state import Profile
from shared.events.vocabulary import Moment, Value

Language = Literal["en", "fr"]
LANGUAGES: Final[dict[Language, Words]] = {"en": ENGLISH, "fr": FRENCH}
#: How many of her surveys are judged where none is named.
_MOST_SURVEYS: Final = 5


class Line(View):
    """One sentence; `code` and `values` are what it says, for a program; `at` its moment."""

    code: str
    text: str
    at: Moment | None = None
    values: dict[str, Value] = Field(default_factory=dict)


class Section(View):
    """Lines about one thing."""

    name: str
    title: str
    lines: tuple[Line, ...]


class Explanation(View):
    """Why she did or did not get something as of `as_of`; moments are told in `zone`."""

    customer_id: UUID
    lang: Language
    as_of: Moment
    zone: str
    policy: str
    sections: tuple[Section, ...]


def explain(
    shown: CustomerView,
    profile: Profile,
    rulebook: Rulebook,
    now: datetime,
    *,
    lang: Language,
    survey: str | None = None,
    experience: eligibility.Experience | None = None,
) -> Explanation:
    """Explain one customer; without a `survey` those are judged that she knows."""
    words, zone = LANGUAGES[lang], ZoneInfo(shown.zone)
    found = _points(shown, profile, rulebook, now, _asked(shown, rulebook, survey, experience))
    return Explanation(
        customer_id=shown.customer_id,
        lang=lang,
        as_of=now,
        zone=shown.zone,
        policy=rulebook.version,
        sections=tuple(
            Section(
                name=name,
                title=words.sentences[f"title.{name}"],
                lines=tuple(_line(point, words, zone) for point in points),
            )
            for name, points in found
        ),
    )


def _points(
    shown: CustomerView,
    profile: Profile,
    rulebook: Rulebook,
    now: datetime,
    asked: Sequence[eligibility.Asked],
) -> Iterator[tuple[str, Iterable[Point]]]:
    policy, customer_id = rulebook.policy, shown.customer_id
    decided = look(profile, rulebook, now, customer_id=customer_id, version=shown.version)
    yield "who", who(decided, policy, shown.created_at)
    yield "decisions", past.decisions(shown.decisions)
    yield "permits", may.permits(profile, policy)
    yield "holds", may.holds(decided, policy)
    yield "clocks", may.survey_clocks(profile, policy, now)
    yield "surveys", may.surveys(profile, asked, policy, now)
    yield "budgets", may.budgets(decided, profile, policy)
    yield "cases", past.cases(shown.cases)
    yield "contacts", past.contacts(shown.contacts)
    yield "deliveries", past.deliveries(shown.deliveries)
    yield "next", ahead.what_next(profile, rulebook, now, customer_id=customer_id)


def _asked(
    shown: CustomerView,
    rulebook: Rulebook,
    survey: str | None,
    experience: eligibility.Experience | None,
) -> list[eligibility.Asked]:
    """Name the surveys to judge: the one that is asked about, else those that she answered."""
    known = dict.fromkeys(response.survey for response in shown.responses)
    names = [survey] if survey is not None else list(known)[:_MOST_SURVEYS]
    return [
        eligibility.Asked(
            survey=name,
            family=clocks.family_of(name, rulebook.policy),
            who=str(shown.customer_id),
            experience=experience,
        )
        for name in names
    ]


def _line(point: Point, words: Words, zone: ZoneInfo) -> Line:
    return Line(
        code=point.code,
        text=sentence(point, words, zone),
        at=point.at,
        values={name: plain(value) for name, value in point.values.items()},
    )
