"""RFC 9457 problem documents that never echo what was sent (it may be personal)."""

import re
from collections.abc import Mapping, Sequence

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from shared.errors import DependencyAway

MEDIA_TYPE = "application/problem+json"
_log = structlog.get_logger(__name__)
#: How our own fields and places in lists are written, and names of models and types.
_OURS = re.compile(r"[0-9]{1,5}|[A-Za-z][A-Za-z0-9_-]{0,63}(\[.{0,200}\])?")


class Problem(Exception):
    """A refusal a person can act on: raised anywhere in a request, answered as its document.

    `code` becomes `type: "urn:nps:problem:<code>"`; `detail` names the fix and holds no input.
    """

    def __init__(
        self, status: int, code: str, detail: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})

    def document(self) -> dict[str, object]:
        """Tell it as RFC 9457 has it."""
        return {
            "type": f"urn:nps:problem:{self.code}",
            "title": self.code.replace("-", " "),
            "status": self.status,
            "detail": self.detail,
        }

    def response(self) -> JSONResponse:
        """Make the answer."""
        return JSONResponse(
            self.document(),
            status_code=self.status,
            media_type=MEDIA_TYPE,
            headers=self.headers,
        )


def unavailable(detail: str) -> Problem:
    """Build the 503 for a dependency that is away; `Retry-After` in whole seconds."""
    return Problem(503, "unavailable", detail, headers={"Retry-After": "5"})


def install(app: FastAPI) -> None:
    """Make every error of an app answer as a problem document."""

    async def on_problem(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, Problem)  # noqa: S101 - for the type checker
        return error.response()

    async def on_invalid(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)  # noqa: S101
        where = "; ".join(
            f"{_place(e['loc'])}: {e['type'].replace('_', ' ')}" for e in error.errors()[:5]
        )
        return Problem(422, "invalid-request", f"correct these fields: {where}").response()

    async def on_http(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)  # noqa: S101
        problem = Problem(error.status_code, "http", str(error.detail), headers=error.headers)
        return problem.response()

    async def on_away(_request: Request, _error: Exception) -> JSONResponse:
        return unavailable("a dependency does not answer; try again shortly").response()

    async def on_bug(_request: Request, error: Exception) -> JSONResponse:
        _log.error("http.bug", error=type(error).__name__, exc_info=error)
        return Problem(500, "internal", "an error of ours; it is logged").response()

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(DependencyAway, on_away)
    app.add_exception_handler(Exception, on_bug)


def _place(at: Sequence[str | int]) -> str:
    """Write where a fault is; a key that is no word of ours is the sender's, and not repeated."""
    return ".".join(str(part) if _OURS.fullmatch(str(part)) else "…" for part in at)
