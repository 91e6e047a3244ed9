"""HubSpot: the contact's properties with types and options."""

from typing import Final

import httpx

from tests.builders.looks import Look, Wrong, bands, drop, say

_HUBSPOT: Final = "/crm/properties/2026-09/contacts"
_NO_SCOPE: Final = (
    "properties: HTTP 403: the private app may not read properties (crm.schemas.contacts.read)"
)

LOOK = Look(
    "hubspot",
    {
        _HUBSPOT: {
            "results": [
                {"name": "nps_score", "type": "number", "options": []},
                {"name": "nps_segment", "type": "enumeration", "options": bands()},
                {"name": "nps_previous_segment", "type": "string", "options": []},
                {"name": "nps_answered_at", "type": "datetime", "options": []},
                {"name": "firstname", "type": "string", "options": []},
            ]
        }
    },
    (
        Wrong(
            "no property",
            drop(_HUBSPOT, "results", "nps_answered_at", "name"),
            (("field_missing", "nps_answered_at (for nps_answered_at) is not there"),),
        ),
        Wrong(
            "a number for a text",
            say(_HUBSPOT, "results", "firstname", "name", type="number"),
            (("field_type", "firstname is number, first_name is written as text"),),
        ),
        Wrong(
            "no option",
            say(_HUBSPOT, "results", "nps_segment", "name", options=bands()[:2]),
            (("value_missing", "nps_segment has no value promoter (for nps_segment)"),),
        ),
        Wrong(
            "no scope",
            lambda there: there.update({_HUBSPOT: httpx.Response(403, json={})}),
            (("unreadable", _NO_SCOPE),),
        ),
    ),
)
