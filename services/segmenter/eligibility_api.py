"""`POST /v1/survey-eligibility`: may these people be asked this survey, and what is known of them?

In: bearer tokens with the scope `read`; a survey and 1 to 1 000 people. Out: an answer for each, in
order. Nothing is locked and nothing kept: whoever then asks her tells it by an event
(`survey.invitation.sent`).
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from itertools import chain
from typing import Final

from fastapi import APIRouter, Depends
from sqlalchemy.ext.asyncio import AsyncEngine

from services.segmenter import clocks, reading
from services.segmenter.decide import Rulebook
from services.segmenter.eligibility_views import Answer, Survey, answer, read
from services.segmenter.facts import Key
from services.segmenter.rows import Customer
from shared.database import away_as_dependency
from shared.http.auth import Access
from shared.http.openapi import GUARDED
from shared.identifiers import Rules

#: How many are judged before others of this process have their turn: a few milliseconds' worth.
_AT_ONCE: Final = 50


def make_eligibility_router(
    engine: AsyncEngine,
    rulebook: Rulebook,
    access: Access,
    clock: Callable[[], datetime],
    rules: Rules,
) -> APIRouter:
    """Build the route; `rules` normalise by whom is asked."""
    router = APIRouter(
        tags=["surveys"], dependencies=[Depends(access.require("read"))], responses=GUARDED
    )

    @router.post("/v1/survey-eligibility")
    async def survey_eligibility(asked: Survey) -> Answer:
        """Tell who may be asked this survey now, why not, when next, and what is known already."""
        people = [read(person, rules) for person in asked.customers]
        keys = set(chain.from_iterable(person.keys for person in people))
        found: dict[Key, Customer] = {}
        if keys:
            with away_as_dependency():
                async with engine.connect() as connection:
                    found = await reading.by_keys(connection, keys)
        now, answers = clock(), []
        for number, person in enumerate(people, 1):
            answers.append(answer(person, asked, found, rulebook, now))
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
        family = clocks.family_of(asked.survey, rulebook.policy)
        return Answer(
            survey=asked.survey,
            family=family.name if family else None,
            policy=rulebook.version,
            customers=tuple(answers),
        )

    return router
