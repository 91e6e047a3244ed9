"""Marketing Cloud: the entry events of journeys, a page of them."""

from typing import Final

import httpx

from tests.builders.looks import Look, Wrong, drop

_SFMC: Final = "/interaction/v1/eventDefinitions"

LOOK = Look(
    "sfmc",
    {
        _SFMC: {
            "count": 1,
            "page": 1,
            "pageSize": 50,
            "items": [{"eventDefinitionKey": "APIEvent-nps-reassurance"}],
        }
    },
    (
        Wrong(
            "no event",
            drop(_SFMC, "items", "APIEvent-nps-reassurance", "eventDefinitionKey"),
            (("event_missing", "event APIEvent-nps-reassurance is not there"),),
        ),
        Wrong(
            "maybe on the next page",
            lambda there: there[_SFMC].update(items=[{"eventDefinitionKey": "x"}] * 50),
            (),
        ),
        Wrong(
            "no scope",
            lambda there: there.update({_SFMC: httpx.Response(403, json={})}),
            (
                (
                    "unreadable",
                    "definitions: HTTP 403: the API integration may not look at journeys",
                ),
            ),
        ),
    ),
)
