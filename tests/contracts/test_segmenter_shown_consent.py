"""A refusal that a platform shows by the way, as the segmenter takes it: for all tools.

Consent is never widened by it, and what she says later by the same address stands.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.segmenter.api.customers import make_router
from services.segmenter.api.eligibility import make_eligibility_router
from shared.events.decisions import CustomerDecided
from shared.events.envelope import Event
from shared.events.ids import name_id
from shared.events.outcomes import MessageUnsubscribed
from shared.identifiers import Rules
from tests.builders.facts import (
    ANNA,
    Shelf,
    answered,
    day,
    handler,
    ids_of,
    received,
    rulebook,
    says,
    updated,
)
from tests.builders.segmenting import access, client_of

READ = {"Authorization": "Bearer reader"}
YES = answered("r1", 9, at=day(0), consents=(says(granted=True, at=day(0)),))


def shown(at: float, email: str = ANNA) -> Event:
    """What the dispatcher tells of a platform's profile that was seen then."""
    data = MessageUnsubscribed(
        identifiers=ids_of(email),
        channel="email",
        target="acs",
        occurred_at=day(at),
        proof="blackListEmail",
    )
    return Event(name_id("shown", email, at), "acs", day(at), data)


def again(at: float, email: str = ANNA) -> Event:
    """She says yes once more, to marketing and to surveys."""
    said = tuple(
        says(granted=True, at=day(at), purpose=purpose, channel="all")
        for purpose in ("marketing", "survey")
    )
    return updated(*ids_of(email), at=day(at), consents=said)


def allowed(decided: CustomerDecided) -> set[str]:
    """Which classes may go by e-mail."""
    return {p.contact_class for p in decided.permits if p.channel == "email" and p.allowed}


async def test_a_refusal_that_a_platform_shows_closes_marketing_and_surveys_everywhere(
    engine: AsyncEngine,
) -> None:
    """One decision that every gate reads; the eligibility answer says no, and by whose word."""
    shelf = Shelf()
    handle = handler(engine, shelf, now=day(2))
    await handle(received(YES))
    before = shelf.decided()[-1]
    assert {"marketing", "survey", "service"} <= allowed(before)
    await handle(received(shown(1), shown(1)))
    assert len(shelf.decided()) == 2
    after = shelf.decided()[-1]
    assert (after.customer_id, after.version) == (before.customer_id, before.version + 1)
    assert allowed(after) == allowed(before) - {"marketing", "survey"}
    assert after.snapshot.fatigue_threshold == 0
    routers = (
        make_eligibility_router(engine, rulebook(), access(), lambda: day(200), Rules()),
        make_router(engine, rulebook(), access(), lambda: day(200), Rules()),
    )
    async with client_of(*routers) as client:
        asked = await _post(client, "/v1/survey-eligibility", survey="nps", email=ANNA)
        assert (asked["eligible"], asked["reason"]["rule"]) == (False, "consent")
        url = f"/v1/customers/{after.customer_id}"
        known = (await client.get(url, headers=READ)).json()["consents"]
    told = [c for c in known if (c["channel"], c["purpose"]) == ("sms", "survey")]
    assert [(c["state"], c["source"], c["proof"]) for c in told] == [
        ("refused", "acs", "blackListEmail")
    ]
    assert [datetime.fromisoformat(c["said_at"]) for c in told] == [day(1)]


async def _post(client: httpx.AsyncClient, path: str, survey: str, email: str) -> dict[str, Any]:
    body = {"survey": survey, "customers": [{"email": email}]}
    answer = await client.post(path, json=body, headers=READ)
    assert answer.status_code == 200, answer.text
    (found,) = answer.json()["customers"]
    return dict(found)


@pytest.mark.parametrize(
    ("events", "opened"),
    [
        pytest.param([YES, shown(1)], False, id="seen after her yes"),
        pytest.param([YES, shown(1), again(2)], True, id="she says yes again"),
        pytest.param([YES, again(2), shown(3)], False, id="seen after that"),
        pytest.param([YES, shown(1), shown(4), again(2)], False, id="refused there anew"),
        pytest.param(
            [YES, updated(*ids_of(ANNA, external_id="C-1"), at=day(0.5)), shown(1),
             again(2, "anna@example.org"),
             updated(*ids_of("anna@example.org", external_id="C-1"), at=day(2))],
            False,
            id="a yes by another address of hers",
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("backwards", [False, True], ids=["in order", "backwards"])
async def test_the_newest_word_by_that_address_counts_whichever_comes_first(
    engine: AsyncEngine, events: Sequence[Event], opened: bool, backwards: bool
) -> None:
    """The set of what is known decides, and all of it told again changes nothing."""
    shelf = Shelf()
    handle = handler(engine, shelf, now=day(5))
    for event in reversed(events) if backwards else events:
        await handle(received(event))
    await handle(received(*events))
    assert ("marketing" in allowed(shelf.decided()[-1])) is opened
