"""Routes behind a token, opened one way.

In: who may call, the scope, how the routes are called. Out: a router of which each route asks for
the scope and says so in the description.
"""

from typing import Any

from fastapi import APIRouter, Depends

from shared.http.auth import Access, Scope
from shared.http.openapi import GUARDED


def guarded(
    access: Access,
    scope: Scope,
    tag: str,
    *,
    prefix: str = "",
    responses: dict[int | str, dict[str, Any]] | None = None,
) -> APIRouter:
    """Open a router for the holders of `scope`; `responses` are further refusals of its routes."""
    return APIRouter(
        prefix=prefix,
        tags=[tag],
        dependencies=[Depends(access.require(scope))],
        responses={**GUARDED, **(responses or {})},
    )
