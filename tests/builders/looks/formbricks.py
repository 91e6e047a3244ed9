"""Formbricks: the keys of contacts' attributes, which a first write makes."""

from typing import Final

from tests.builders.looks import Look, Wrong, drop, say

_FORMBRICKS: Final = "/api/v2/management/contact-attribute-keys"

LOOK = Look(
    "formbricks",
    {
        _FORMBRICKS: {
            "data": [
                {"key": "email", "type": "default", "dataType": "string"},
                {"key": "npsScore", "type": "custom", "dataType": "number"},
                {"key": "npsNextSurvey", "type": "custom", "dataType": "date"},
            ],
            "meta": {"total": 3, "limit": 100, "offset": 0},
        }
    },
    (
        Wrong("made by the first write", drop(_FORMBRICKS, "data", "npsScore", "key"), ()),
        Wrong(
            "another type",
            say(_FORMBRICKS, "data", "npsNextSurvey", "key", dataType="number"),
            (
                (
                    "field_type",
                    "npsNextSurvey is number, nps_next_survey_at is written as moment",
                ),
            ),
        ),
    ),
)
