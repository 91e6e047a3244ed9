"""`GET /v1/nps` and `GET /v1/nps/alerts`: figures for who may read.

In: bearer tokens with the scope `read`. Out: `views`, or a problem document that names the fix.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query
from fastapi.openapi.models import Example
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.segmenter.decide.decide import Rulebook
from services.segmenter.figures.alert_store import standing
from services.segmenter.figures.alert_views import AlertsView, alerts_view
from services.segmenter.figures.gathering import gather
from services.segmenter.figures.question import COMPARE, Unanswerable, read_question
from services.segmenter.figures.showing import figures_view
from services.segmenter.figures.views import FiguresView
from services.segmenter.policy.alerts import GROUPING
from services.segmenter.profile.attributes import other_names
from services.segmenter.sweep import progress
from services.segmenter.sweep.portrait import near
from services.segmenter.sweep.problems import not_counted
from shared.database import away_as_dependency
from shared.http.auth import Access
from shared.http.problems import Problem
from shared.http.routing import guarded

_CANCELLED = "57014"
_COMPARISONS: Final[dict[str, Example]] = {
    "the period before": {"value": "previous"},
    "another period": {"value": "2025-01-01..2025-03-31"},
    "one group": {"value": "value:Lyon"},
}
_Text = Annotated[str | None, Query(max_length=600)]


def make_figures_router(
    engine: AsyncEngine, rulebook: Rulebook, access: Access, clock: Callable[[], datetime]
) -> APIRouter:
    """Build the routes below `/v1/nps`."""
    router = guarded(access, "read", "figures", prefix="/v1/nps")
    policy = rulebook.policy

    @router.get(
        "",
        responses={
            422: {"description": "The question makes no sense; the fix"},
            503: {"description": "Not counted yet, or a dependency is away; the fix"},
            504: {"description": "The database took too long; the fix"},
        },
    )
    async def figures(
        *,
        survey: Annotated[_Text, Query(description="only answers to this survey")] = None,
        source: Annotated[_Text, Query(description="only answers from this source")] = None,
        start: Annotated[
            _Text,
            Query(alias="from", description="a day, or a moment; 90 days before `to` if left out"),
        ] = None,
        end: Annotated[
            _Text,
            Query(alias="to", description="a day (included), or a moment; now if left out"),
        ] = None,
        by: Annotated[
            _Text,
            Query(
                description="attribute:NAME or answer:NAME",
                json_schema_extra={"pattern": GROUPING},
            ),
        ] = None,
        compare: Annotated[
            _Text,
            Query(
                description="previous: the period before; FROM..TO: another period; value:GROUP: "
                "each group with this one, which needs `by` and is written as the attribute's type",
                json_schema_extra={"pattern": COMPARE},
                openapi_examples=_COMPARISONS,
            ),
        ] = None,
        show: Annotated[
            _Text,
            Query(description="score, response, moves, churn, loop; all if left out"),
        ] = None,
    ) -> FiguresView:
        """Tell the score of a period with its interval, by group, compared, and what is behind it.

        An attribute is the customer's as it is now.
        """
        now = clock()
        try:
            question = read_question(
                survey=survey,
                source=source,
                start=start,
                end=end,
                by=by,
                compare=compare,
                show=show,
                now=now,
                zone=policy.zones.default,
                near=near(policy),
                names=other_names(policy),
                types=policy.attributes,
            )
        except Unanswerable as error:
            raise Problem(422, "invalid-request", str(error)) from None
        with away_as_dependency(), _in_time():
            async with engine.connect() as connection:
                # All statements of one question see one moment of the data.
                await connection.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )
                swept = await progress.look(connection)
                if swept is None or swept.as_of is None:
                    raise not_counted(swept.customers if swept else 0)
                found = await gather(connection, question, policy, now)
        return figures_view(found, question, policy, rulebook.version, swept.as_of)

    @router.get("/alerts")
    async def alerts(
        state: Annotated[
            Literal["open", "quiet"] | None, Query(description="only those that are so")
        ] = None,
    ) -> AlertsView:
        """Tell which watched figures changed for real, since when, and which are quiet again."""
        with away_as_dependency():
            async with engine.connect() as connection:
                found = await standing(connection, [alert.name for alert in policy.alerts])
        return alerts_view(found, policy, state)

    return router


@contextmanager
def _in_time() -> Iterator[None]:
    """Turn a statement that the server ended after its time into words."""
    try:
        yield
    except DBAPIError as error:
        if str(getattr(error.orig, "sqlstate", None) or "") == _CANCELLED:
            raise Problem(
                504,
                "too-long",
                "the database took more than 30 s, which a million answers do not: it is busy. "
                "Ask again later, for a shorter period, or for less, such as show=score",
            ) from None
        raise
