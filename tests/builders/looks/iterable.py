"""Iterable: the fields that users have, with their types."""

from typing import Final

from tests.builders.looks import Look, Wrong

_ITERABLE: Final = "/api/users/getFields"

LOOK = Look(
    "iterable",
    {
        _ITERABLE: {
            "fields": {
                "email": "string",
                "npsScore": "long",
                "npsSegment": "string",
                "npsAnsweredAt": "date",
            }
        }
    },
    (
        Wrong(
            "made by the first write",
            lambda there: there[_ITERABLE]["fields"].pop("npsScore"),
            (),
        ),
        Wrong(
            "another type",
            lambda there: there[_ITERABLE]["fields"].update(npsScore="string"),
            (("field_type", "npsScore is string, nps_score is written as number"),),
        ),
    ),
)
