"""POST /v1/bodies/erase: what ingest still keeps of a person, deleted. For callers with a token.

It publishes nothing: what was told already is not the raw bodies' matter.
"""

from dataclasses import asdict
from typing import Annotated, Final, Literal

import structlog
from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from services.ingest.correct.asking import PROBLEMS, Asked, asked, described
from services.ingest.keep.forget import Forgetting
from services.ingest.keep.intake import Intake
from services.ingest.keep.people import people
from shared.events.vocabulary import Identifier
from shared.http.auth import Access
from shared.http.problems import Problem
from shared.identifiers import Rules

_log = structlog.get_logger(__name__)

#: It may look through all kept bodies, and the drain loop holds rows of the spool for seconds.
_DEADLINE_S: Final = 30.0
_Kind = Literal["email", "phone", "external_id"]
_Text = Annotated[str, Field(min_length=1, max_length=512)]


class Erase(Asked):
    """Whom: every identifier of hers that is known."""

    identifiers: Annotated[dict[_Kind, _Text], Field(min_length=1)]


class Erased(BaseModel):
    """How many rows are gone; `spool` counts what waited and what the bus never took."""

    bodies: int
    quarantine: int
    spool: int
    fetches: int


def erase_router(
    access: Access, intake: Intake, forgetting: Forgetting, *, route_key: bytes, rules: Rules
) -> APIRouter:
    """Make the route; `rules` normalise what is given as what was kept."""
    router = APIRouter(prefix="/v1/bodies", tags=["bodies"])

    @router.post(
        "/erase",
        dependencies=[Depends(access.require("erase"))],
        openapi_extra=described(Erase),
        responses=PROBLEMS,
    )
    async def erase(request: Request) -> Erased:
        """Delete kept bodies, quarantine, spool and waiting fetches that name one of these.

        Nothing is published: profiles and deliveries stay as they are. Asking again is harmless.
        """
        known = _known(await asked(intake, request, Erase), rules)
        gone = await intake.in_time(forgetting.forget(people(route_key, known)), _DEADLINE_S)
        _log.info("ingest.erased", **asdict(gone))
        return Erased(**asdict(gone))

    return router


def _known(wanted: Erase, rules: Rules) -> list[Identifier]:
    """Normalise what was given; one that is none is refused, or nothing would be found by it."""
    found = {kind: rules.spellings(kind, text) for kind, text in wanted.identifiers.items()}
    wrong = sorted(kind for kind, spellings in found.items() if not spellings)
    if wrong:
        where = "; ".join(f"identifiers.{kind}" for kind in wrong)
        raise Problem(422, "invalid-request", f"correct these fields: {where}")
    return [identifier for spellings in found.values() for identifier in spellings]
