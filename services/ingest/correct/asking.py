"""The JSON body of an operator's request: read within the limits of every other body.

In: a request whose token was looked at already, and the model of what may be asked. Out: the value,
or the problems 400, 408, 413 and 422 (which name fields and never echo what was sent).
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Final, TypeVar

from fastapi import Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from services.ingest.decode.decoders import Undecodable, decode_json
from services.ingest.keep.intake import Intake
from shared.http.problems import Problem

_TOLD: Final = 5


#: A moment to look from: PostgreSQL and Python both take it, whatever its zone.
Since = Annotated[
    AwareDatetime,
    Field(ge=datetime(1970, 1, 1, tzinfo=UTC), lt=datetime(2200, 1, 1, tzinfo=UTC)),
]
#: A text to compare with a column: PostgreSQL's texts hold no NUL.
Text = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00]*$")]


class Asked(BaseModel):
    """Base of what may be asked: frozen, and a misspelt key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


AskedT = TypeVar("AskedT", bound=Asked)


async def asked(intake: Intake, request: Request, model: type[AskedT]) -> AskedT:
    """Read what is asked. Raises `Problem`."""
    try:
        return model.model_validate(decode_json(await intake.body(request)))
    except Undecodable as error:
        raise Problem(400, "undecodable", f"the body is {error}") from None
    except ValidationError as error:
        where = "; ".join(
            f"{'.'.join(str(part) for part in one['loc']) or 'body'}: "
            f"{one['type'].replace('_', ' ')}"
            for one in error.errors(include_input=False, include_url=False)[:_TOLD]
        )
        raise Problem(422, "invalid-request", f"correct these fields: {where}") from None


def described(model: type[Asked]) -> dict[str, Any]:
    """Describe the body for OpenAPI; the model must not hold other models."""
    return {
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": model.model_json_schema(by_alias=True)}},
        }
    }


#: What any of these routes may answer beside its own.
PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    400: {"description": "Not JSON"},
    401: {"description": "No token that is known"},
    403: {"description": "A token without the scope"},
    408: {"description": "The body did not come in time"},
    413: {"description": "Larger than `body_bytes`"},
    422: {"description": "Fields to correct"},
    503: {"description": "Not all was done; ask again after `Retry-After`"},
}
