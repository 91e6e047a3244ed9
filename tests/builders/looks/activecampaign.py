"""ActiveCampaign: custom fields and automations by their numbers."""

from typing import Final

import httpx

from tests.builders.looks import Look, Wrong, drop, say

_AC: Final = "/api/3/fields"
_AC_RUNS: Final = "/api/3/automations"

LOOK = Look(
    "activecampaign",
    {
        _AC: {
            "fieldOptions": [],
            "fields": [
                {"id": "1", "title": "NPS", "type": "text"},
                {"id": "2", "title": "Band", "type": "dropdown"},
                {"id": "3", "title": "Band before", "type": "text"},
                {"id": "4", "title": "Answered", "type": "date"},
                {"id": "5", "title": "First name", "type": "text"},
                {"id": "99", "title": "Delivery", "type": "text"},
            ],
        },
        _AC_RUNS: {"automations": [{"id": "42", "name": "Reassurance", "status": "1"}]},
    },
    (
        Wrong(
            "no field",
            drop(_AC, "fields", "1", "id"),
            (("field_missing", "1 (for nps_score) is not there"),),
        ),
        Wrong(
            "no field for the delivery id",
            drop(_AC, "fields", "99", "id"),
            (("field_missing", "99, which our requests write, is not there"),),
        ),
        Wrong(
            "a date for a number",
            say(_AC, "fields", "1", "id", type="date"),
            (("field_type", "1 is date, nps_score is written as number"),),
        ),
        Wrong(
            "no automation",
            drop(_AC_RUNS, "automations", "42", "id"),
            (("event_missing", "event 42 is not there"),),
        ),
        Wrong(
            "maybe on the next page",
            lambda there: there[_AC].update(
                fields=[{"id": str(n), "type": "text"} for n in range(1000, 1100)]
            ),
            (),
        ),
    ),
    httpx.Response(403, json={}),
)
