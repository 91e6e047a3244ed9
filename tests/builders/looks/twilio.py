"""Twilio: the messaging service and the content templates."""

from typing import Final

import httpx

from tests.builders.looks import Look, Wrong

_TWILIO: Final = "/v1/Services/MG00000000000000000000000000000003"
_TWILIO_TEXTS: Final = "/v1/Content"

LOOK = Look(
    "twilio",
    {
        _TWILIO: {"sid": "MG00000000000000000000000000000003", "friendly_name": "NPS"},
        _TWILIO_TEXTS: {
            "meta": {"next_page_url": None},
            "contents": [{"sid": "HX00000000000000000000000000000004"}],
        },
    },
    (
        Wrong(
            "no template",
            lambda there: there[_TWILIO_TEXTS].update(contents=[]),
            (("template_missing", "template HX00000000000000000000000000000004 is not there"),),
        ),
        Wrong(
            "no service",
            lambda there: there.update({_TWILIO: httpx.Response(404, json={"code": 20404})}),
            (
                (
                    "credentials",
                    "service: HTTP 404: no such messaging service: correct vars.service",
                ),
            ),
        ),
        Wrong(
            "test credentials",
            lambda there: there.update(
                {path: httpx.Response(403, json={"code": 20008}) for path in there}
            ),
            (
                (
                    "unreadable",
                    "service: HTTP 403: the key may not look at services or templates",
                ),
                (
                    "unreadable",
                    "templates: HTTP 403: the key may not look at services or templates",
                ),
            ),
        ),
    ),
    httpx.Response(401, json={"code": 20003}),
)
