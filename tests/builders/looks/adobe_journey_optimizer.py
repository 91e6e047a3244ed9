"""Journey Optimizer: the schema of the records, in the tenant's own namespace."""

from typing import Any, Final

import httpx

from tests.builders.looks import Look, Wrong

_AJO: Final = (
    "/data/foundation/schemaregistry/tenant/schemas/"
    "https://ns.adobe.com/example/schemas/0123456789abcdef"
)


def _fields(there: dict[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = there[_AJO]["properties"]["_example"]["properties"]["nps"][
        "properties"
    ]
    return fields


LOOK = Look(
    "adobe_journey_optimizer",
    {
        _AJO: {
            "type": "object",
            "properties": {
                "_example": {
                    "type": "object",
                    "properties": {
                        "nps": {
                            "type": "object",
                            "properties": {
                                "score": {"type": "integer"},
                                "segment": {
                                    "type": "string",
                                    "enum": ["detractor", "passive", "promoter"],
                                },
                                "previousSegment": {"type": "string"},
                                "answeredAt": {"type": "string", "format": "date-time"},
                                "firstName": {"type": "string"},
                            },
                        }
                    },
                }
            },
        }
    },
    (
        Wrong(
            "no field",
            lambda there: _fields(there).pop("firstName"),
            (("field_missing", "firstName (for first_name) is not there"),),
        ),
        Wrong(
            "another type",
            lambda there: _fields(there)["score"].update(type="string"),
            (("field_type", "score is string, nps_score is written as number"),),
        ),
        Wrong(
            "no value",
            lambda there: _fields(there)["segment"].update(enum=["detractor", "passive"]),
            (("value_missing", "segment has no value promoter (for nps_segment)"),),
        ),
        Wrong(
            "another tenant",
            lambda there: there[_AJO]["properties"].pop("_example"),
            (
                (
                    "unreadable",
                    "schema: no $.properties._example.properties.nps.properties",
                ),
            ),
        ),
        Wrong(
            "no right",
            lambda there: there.update({_AJO: httpx.Response(403, json={})}),
            (("unreadable", "schema: HTTP 403: the credential may not look at schemas"),),
        ),
    ),
)
