"""Looking at a target on demand, over HTTP. No personal data anywhere."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import AwareDatetime, BaseModel

from services.dispatcher.api.target_path import NO_SUCH_TARGET, TargetName
from services.dispatcher.platforms.findings import Reason
from services.dispatcher.targets.preflight import Preflights
from shared.audit.trail import Trail
from shared.http.auth import Access, Token
from shared.http.openapi import GUARDED
from shared.http.problems import Problem
from shared.settings import Strict


class FindingShown(BaseModel):
    """One thing that is wrong at a platform."""

    reason: Reason
    what: str


class Look(Strict):
    """How to look; `accept`: what the fields are now is right, so that no drift is told of it."""

    accept: bool = False


class ReportShown(BaseModel):
    """What a look found; `looked` is false where the preset knows no look, and in shadow."""

    target: str
    at: AwareDatetime
    looked: bool
    findings: list[FindingShown]


def build_preflight_router(
    preflights: Preflights,
    access: Access,
    names: frozenset[str],
    clock: Callable[[], datetime],
    *,
    trail: Trail,
) -> APIRouter:
    """Make the route."""
    router = APIRouter(prefix="/v1/targets", tags=["targets"], responses=GUARDED)

    @router.post("/{target}/check", responses=NO_SUCH_TARGET)
    async def check_target(
        target: TargetName,
        token: Annotated[Token, Depends(access.require("operate"))],
        wish: Look | None = None,
    ) -> ReportShown:
        """Look at the platform now: credentials, fields with their types and values, templates."""
        if target not in names:
            raise Problem(404, "unknown-target", "no target of this name is configured")
        accepts = wish is not None and wish.accept
        pen = trail.pen(token.name, clock()) if accepts else None
        report = await preflights.check(target, accept=pen)
        findings = [FindingShown(reason=one.reason, what=one.what) for one in report.findings]
        return ReportShown(
            target=report.target, at=report.at, looked=report.looked, findings=findings
        )

    return router
