"""Customer.io: both keys; people's attributes are not declared there."""

import httpx

from tests.builders.looks import Look, Wrong

LOOK = Look(
    "customerio",
    {
        "/api/v1/accounts/region": {
            "url": "https://track-eu.customer.io",
            "data_center": "eu",
            "environment_id": 1,
        },
        "/v1/transactional": {"messages": []},
    },
    (
        Wrong(
            "the other key",
            lambda there: there.update({"/v1/transactional": httpx.Response(401, json={})}),
            (("credentials", "app: HTTP 401: the credentials are not valid"),),
        ),
    ),
)
