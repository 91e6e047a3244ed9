"""`POST /v1/survey-eligibility`: may these people be asked this survey, and what is known of them?

In: bearer tokens with the scope `read`; a survey and 1 to 1 000 people. Out: an answer for each, in
order. Nothing is locked and nothing kept: whoever then asks her tells it by an event
(`survey.invitation.sent`).
"""

from collections.abc import Callable
from datetime import datetime
from itertools import chain
from typing import Final

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncEngine

from services.segmenter import clocks, reading
from services.segmenter.decide import Rulebook
from services.segmenter.eligibility_views import Answer, Survey, answer, read
from shared.database import away_as_dependency
from shared.http.auth import Access
from shared.http.routing import guarded
from shared.identifiers import Rules

#: How many are read and judged before others of this process have their turn: 0.4 ms each, so that
#: a thousand together hold up nobody for longer than one batch of events does.
_AT_ONCE: Final = 50


def make_eligibility_router(
    engine: AsyncEngine,
    rulebook: Rulebook,
    access: Access,
    clock: Callable[[], datetime],
    rules: Rules,
) -> APIRouter:
    """Build the route; `rules` normalise by whom is asked."""
    router = guarded(access, "read", "surveys")

    @router.post("/v1/survey-eligibility")
    async def survey_eligibility(asked: Survey) -> Answer:
        """Tell who may be asked this survey now, why not, when next, and what is known already."""
        people = [read(person, rules) for person in asked.customers]
        now, answers = clock(), []
        with away_as_dependency():
            async with engine.connect() as connection:
                for start in range(0, len(people), _AT_ONCE):
                    some = people[start : start + _AT_ONCE]
                    keys = set(chain.from_iterable(person.keys for person in some))
                    found = await reading.by_keys(connection, keys) if keys else {}
                    answers += [answer(person, asked, found, rulebook, now) for person in some]
        family = clocks.family_of(asked.survey, rulebook.policy)
        return Answer(
            survey=asked.survey,
            family=family.name if family else None,
            policy=rulebook.version,
            customers=tuple(answers),
        )

    return router
