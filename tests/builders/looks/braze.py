"""Braze: the custom attributes, which a first write makes."""

from typing import Final

import httpx

from tests.builders.looks import Look, Wrong, drop, say

_BRAZE: Final = "/custom_attributes"
_NO_PERMISSION: Final = (
    "attributes: HTTP 403: the API key may not read attributes (custom_attributes.get)"
)

LOOK = Look(
    "braze",
    {
        _BRAZE: {
            "message": "success",
            "attributes": [
                {"name": "nps_score", "data_type": "Number", "status": "Active"},
                {"name": "nps_segment", "data_type": "String", "status": "Active"},
            ],
        }
    },
    (
        Wrong("made by the first write", drop(_BRAZE, "attributes", "nps_score", "name"), ()),
        Wrong(
            "another type",
            say(_BRAZE, "attributes", "nps_score", "name", data_type="String"),
            (("field_type", "nps_score is String, nps_score is written as number"),),
        ),
        Wrong(
            "no permission",
            lambda there: there.update({_BRAZE: httpx.Response(403, json={})}),
            (("unreadable", _NO_PERMISSION),),
        ),
    ),
)
