"""POST /v1/bodies/erase: what ingest alone keeps of a person, deleted. For callers with a token.

It publishes nothing and remembers nothing: profiles and deliveries stay, and the same message sent
again is kept again. To forget a person, everywhere and for good, ask POST /v1/customers/erase: its
`customer.erased` comes here by the bus (`keep/erasing.py`). This route is for what nobody else has:
messages that no mapping understood, sent by mistake, or of somebody who never became a customer.
"""

from dataclasses import asdict
from typing import Annotated, Final

import structlog
from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from services.ingest.correct.ahead import Ahead
from services.ingest.correct.asking import PROBLEMS, Asked, asked, described
from services.ingest.correct.whom import Named, normalised
from services.ingest.keep.forget import Forgetting
from services.ingest.keep.intake import Intake
from services.ingest.keep.people import people
from shared.http.auth import Access, Token
from shared.identifiers import Rules

_log = structlog.get_logger(__name__)

#: It may look through all kept bodies, and the drain loop holds rows of the spool for seconds.
_DEADLINE_S: Final = 30.0


class Erase(Asked):
    """Whom: every identifier of hers that is known."""

    identifiers: Named


class Erased(BaseModel):
    """How many rows are gone; `spool` counts what waited and what the bus never took."""

    bodies: int
    quarantine: int
    spool: int
    fetches: int


def erase_router(
    access: Access,
    intake: Intake,
    forgetting: Forgetting,
    *,
    route_key: bytes,
    rules: Rules,
    ahead: Ahead,
) -> APIRouter:
    """Make the route; `rules` normalise what is given as what was kept."""
    router = APIRouter(prefix="/v1/bodies", tags=["bodies"])

    @router.post(
        "/erase",
        openapi_extra=described(Erase),
        responses=PROBLEMS,
    )
    async def erase(
        request: Request, token: Annotated[Token, Depends(access.require("erase"))]
    ) -> Erased:
        """Delete kept bodies, quarantine, spool and waiting fetches that name one of these.

        Nothing is published: profiles and deliveries stay as they are, and what is sent again is
        kept again. To forget a person ask `/v1/customers/erase`. Asking again is harmless.
        """
        known = normalised((await asked(intake, request, Erase)).identifiers, rules)
        await ahead(token, "bodies.erase_asked", f"{len(known)} identifiers")
        gone = await intake.in_time(forgetting.forget(people(route_key, known)), _DEADLINE_S)
        _log.info("ingest.erased", **asdict(gone))
        return Erased(**asdict(gone))

    return router
