"""`POST /v1/survey-eligibility`: may these people be asked this survey, and what is known of them?

In: bearer tokens with the scope `read`; a survey and 1 to 1 000 people. Out: an answer for each, in
order. Nothing is locked and nothing kept: whoever then asks her tells it by an event
(`survey.invitation.sent`).
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import Final

from fastapi import APIRouter, Response
from sqlalchemy.ext.asyncio import AsyncEngine

from services.segmenter.decide.decide import Rulebook
from services.segmenter.eligibility.views import (
    Answer,
    Person,
    Survey,
    answer,
    read,
    whole,
    written,
)
from services.segmenter.profile.facts import Key
from services.segmenter.store import reading
from services.segmenter.store.rows import Customer
from shared.database import away_as_dependency
from shared.http.auth import Access
from shared.http.routing import guarded
from shared.identifiers import Rules

#: How many are read and judged before others of this process have their turn: some 11 ms of CPU on
#: a machine with seven times as much work as cores; 50 took 16, and fewer cost more statements.
_AT_ONCE: Final = 32


def make_eligibility_router(
    engine: AsyncEngine,
    rulebook: Rulebook,
    access: Access,
    clock: Callable[[], datetime],
    rules: Rules,
) -> APIRouter:
    """Build the route; `rules` normalise by whom is asked."""
    router = guarded(access, "read", "surveys")
    # One statement asks all of a slice, and one statement sees one moment without a transaction
    # around it, which would be two more journeys to the database.
    reader = engine.execution_options(isolation_level="AUTOCOMMIT")

    async def known(people: Sequence[Person]) -> Mapping[Key, Customer]:
        keys = set(chain.from_iterable(person.keys for person in people))
        if not keys:
            return {}
        # Given back between the slices: whoever decides shares these connections.
        with away_as_dependency():
            async with reader.connect() as connection:
                return await reading.by_keys(connection, keys)

    @router.post("/v1/survey-eligibility", response_model=Answer)
    async def survey_eligibility(asked: Survey) -> Response:
        """Tell who may be asked this survey now, why not, when next, and what is known already."""
        now, answers = clock(), []
        for start in range(0, len(asked.customers), _AT_ONCE):
            people = [read(one, rules) for one in asked.customers[start : start + _AT_ONCE]]
            found = await known(people)
            answers.append(written([answer(one, asked, found, rulebook, now) for one in people]))
        # Ready made: the framework would check and copy every answer before it writes them all,
        # in one go.
        return Response(whole(asked, rulebook, answers), media_type="application/json")

    return router
