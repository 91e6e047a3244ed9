"""What OpenAPI says of refusals: which there are, and that each is a problem document.

In: the document that FastAPI makes of the routes. Out: the same, with the answers that the
framework and `shared.http.problems` give and that no route names by itself.
"""

from typing import Any, Final

from shared.http.problems import MEDIA_TYPE

#: For `responses=` of routes behind a token.
GUARDED: Final[dict[int | str, dict[str, Any]]] = {
    401: {"description": "No token that is known"},
    403: {"description": "A token without the scope"},
    503: {"description": "A dependency does not answer; ask again after `Retry-After`"},
}
_PROBLEM: Final = {
    "title": "Problem",
    "description": "A refusal (RFC 9457). It never repeats what was sent.",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "pattern": "^urn:nps:problem:"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What to do"},
    },
}
_AS_PROBLEM: Final = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
_OF_FRAMEWORK: Final = ("HTTPValidationError", "ValidationError")


def with_problems(document: dict[str, Any]) -> dict[str, Any]:
    """Describe every refusal as what it is; a second time changes nothing."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = _PROBLEM
    for operations in document["paths"].values():
        for operation in operations.values():
            answers = operation["responses"]
            if "requestBody" in operation:
                answers.setdefault("400", {"description": "A body that cannot be read"})
            for status, answer in answers.items():
                # What a route describes by itself stays; the framework's own 422 is not ours.
                if status >= "400" and ("content" not in answer or status == "422"):
                    answer["content"] = _AS_PROBLEM
    for name in _OF_FRAMEWORK:
        schemas.pop(name, None)
    return document
