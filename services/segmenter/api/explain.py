"""`POST /v1/customers/explain`: why she did or did not get something, and what comes next.

In: bearer tokens with the scope `read`; a customer by id or identifiers, in the body only. Out:
sentences in the language asked for, each with its code and values. Nothing is locked or written.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncEngine

from services.segmenter.api.merge import Who, one_customer
from services.segmenter.api.showing import customer_view
from services.segmenter.decide.decide import Rulebook
from services.segmenter.eligibility.eligibility import Experience
from services.segmenter.eligibility.views import ExperienceAsked, read_experience
from services.segmenter.explain.whole import Explanation, Language, explain
from services.segmenter.store import reading
from shared.database import away_as_dependency
from shared.http.auth import Access
from shared.http.problems import Problem
from shared.http.routing import guarded
from shared.identifiers import Rules

_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    404: {"description": "No customer is known so"},
    409: {"description": "Several customers are known so"},
}


class Question(Who):
    """Whom to explain, and in which language.

    `survey` and `experience`: a survey that she did or did not get; without it those are judged
    that she answered.
    """

    lang: Language = "en"
    survey: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    experience: ExperienceAsked | None = None


def make_explain_router(
    engine: AsyncEngine,
    rulebook: Rulebook,
    access: Access,
    clock: Callable[[], datetime],
    rules: Rules,
) -> APIRouter:
    """Build the route; `rules` normalise how the customer is named."""
    router = guarded(access, "read", "customers", prefix="/v1/customers")

    @router.post("/explain", responses=_ANSWERS)
    async def explained(question: Question) -> Explanation:
        """Say in plain words why she did or did not get something, and what happens next."""
        experience = _experience(question)
        with away_as_dependency():
            async with engine.connect() as connection:
                customer_id = await one_customer(connection, question, "customer", rules)
                row = await reading.customer(connection, customer_id)
        if row is None or not row.customer.profile.known:
            raise Problem(404, "unknown-customer", "no customer is known so")
        now, found = clock(), row.customer
        shown = customer_view(
            found.profile,
            rulebook,
            now,
            customer_id=found.customer_id,
            aliases=row.aliases,
            version=found.version,
            created_at=found.created_at,
            decisions=row.decisions,
            deliveries=row.deliveries,
        )
        return explain(
            shown,
            found.profile,
            rulebook,
            now,
            lang=question.lang,
            survey=question.survey,
            experience=experience,
        )

    return router


def _experience(question: Question) -> Experience | None:
    """Read the experience that is asked about. Raises `Problem`."""
    if question.experience is None:
        return None
    if question.survey is None:
        raise Problem(422, "invalid-request", "experience: name the `survey` that asks about it")
    found = read_experience(question.experience)
    if found is None:
        raise Problem(
            422, "invalid-request", "correct `experience.at`: it lies before 1970 or after 2199"
        )
    return found
