"""Mautic: the contact's fields, and the e-mails under their numbers."""

from typing import Final

import httpx

from tests.builders.looks import Look, Wrong, bands, drop, say

_MAUTIC: Final = "/api/fields/contact"
_MAILS: Final = "/api/emails"

LOOK = Look(
    "mautic",
    {
        _MAUTIC: {
            "total": 5,
            "fields": [
                {"id": 1, "alias": "nps_score", "type": "text", "properties": []},
                {
                    "id": 2,
                    "alias": "nps_segment",
                    "type": "select",
                    "properties": {"list": bands()},
                },
                {"id": 3, "alias": "nps_previous_segment", "type": "text", "properties": []},
                {"id": 4, "alias": "nps_answered_at", "type": "datetime", "properties": []},
                {"id": 5, "alias": "firstname", "type": "text", "properties": []},
            ],
        },
        # Under their numbers.
        _MAILS: {"total": 1, "emails": {"12": {"id": 12, "name": "Reassurance"}}},
    },
    (
        Wrong(
            "no field",
            drop(_MAUTIC, "fields", "firstname", "alias"),
            (("field_missing", "firstname (for first_name) is not there"),),
        ),
        Wrong(
            "a number for mapped values",
            say(_MAUTIC, "fields", "nps_score", "alias", type="number"),
            (("field_type", "nps_score is number, nps_score is written as text"),),
        ),
        Wrong(
            "no value",
            say(_MAUTIC, "fields", "nps_segment", "alias", properties={"list": bands()[1:]}),
            (("value_missing", "nps_segment has no value detractor (for nps_segment)"),),
        ),
        Wrong(
            "no e-mail",
            lambda there: there[_MAILS].update(emails=[]),
            (("template_missing", "template 12 is not there"),),
        ),
        Wrong(
            "no permission",
            lambda there: there.update({_MAILS: httpx.Response(403, json={})}),
            (
                (
                    "unreadable",
                    "emails: HTTP 403: the credential may not look at fields or e-mails",
                ),
            ),
        ),
    ),
)
