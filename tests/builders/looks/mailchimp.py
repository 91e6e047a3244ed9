"""Mailchimp: the audience's merge fields."""

from typing import Final

import httpx

from tests.builders.looks import Look, Wrong, drop, say

_MERGE: Final = "/3.0/lists/a1b2c3d4e5/merge-fields"

LOOK = Look(
    "mailchimp",
    {
        _MERGE: {
            "merge_fields": [
                {"tag": "NPS", "type": "number", "options": {}},
                {
                    "tag": "NPSSEG",
                    "type": "dropdown",
                    "options": {"choices": ["detractor", "passive", "promoter"]},
                },
                {"tag": "NPSPREV", "type": "text", "options": {"size": 25}},
                {"tag": "NPSDATE", "type": "date", "options": {"date_format": "MM/DD/YYYY"}},
                {"tag": "FNAME", "type": "text", "options": {"size": 25}},
            ],
            "total_items": 5,
        }
    },
    (
        Wrong(
            "no merge field",
            drop(_MERGE, "merge_fields", "NPS", "tag"),
            (("field_missing", "NPS (for nps_score) is not there"),),
        ),
        Wrong(
            "a date for a text",
            say(_MERGE, "merge_fields", "FNAME", "tag", type="date"),
            (("field_type", "FNAME is date, first_name is written as text"),),
        ),
        Wrong(
            "no choice",
            say(_MERGE, "merge_fields", "NPSSEG", "tag", options={"choices": ["a", "passive"]}),
            (
                ("value_missing", "NPSSEG has no value detractor (for nps_segment)"),
                ("value_missing", "NPSSEG has no value promoter (for nps_segment)"),
            ),
        ),
        Wrong(
            "no such audience",
            lambda there: there.update({_MERGE: httpx.Response(404, json={})}),
            (("credentials", "merge_fields: HTTP 404: no such audience: correct vars.list"),),
        ),
    ),
)
