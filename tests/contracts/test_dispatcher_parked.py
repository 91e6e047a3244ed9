"""What is parked, for whatever reason, on a real PostgreSQL: it ends as everything that waits."""

import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from services.dispatcher.calls.calls import Verdict
from services.dispatcher.lanes.sweep import sweep
from shared.events.decisions import CustomerDecided
from shared.events.outcomes import DeliverySettled
from tests.builders.carrier import OK, ScriptedCarrier
from tests.builders.decisions import CLASSES, decision, later, open_permits, rolling
from tests.builders.dispatching import Dispatching, dispatching, play, rules

HER = uuid.UUID(int=77)
#: One contact a week: what is parked holds the only slot there is.
ONE_A_WEEK = (rolling(1, 7 * 24),)
POOL: dict[str, Any] = {"coupon_pools": {"spring": {"most": 9, "period": "30 d"}}}

KINDS = [
    pytest.param({"surge": {"most": 1}}, {}, "surge brake: more than 1", id="surge"),
    pytest.param({"approve_first": 9}, {}, "new or changed play: the first 9 wait", id="trial"),
    pytest.param({}, {"coupon": "spring"}, "no code left in coupon pool spring", id="no-code"),
    pytest.param({}, {"profile_late": "park"}, "her profile did not arrive: bad", id="no-profile"),
    pytest.param({}, {"action": "unknown"}, "no such event", id="by-the-platform"),
]


@asynccontextmanager
async def parked(
    database: str, brake: dict[str, Any], do: dict[str, Any], reason: str
) -> AsyncIterator[Dispatching]:
    """Have one delivery of hers parked, chosen by her score."""
    made = play("thanks", "promoter", do.get("action", "invite"), **_but_action(do))
    book = rules({**made, "when": {"trigger": "settled", "score_from": 9}, **brake}, **POOL)
    unknown = Verdict("park", "no such event") if "action" in do else OK
    refused = Verdict("reject", "bad") if "profile_late" in do else OK
    carrier = ScriptedCarrier(on_push=lambda _: refused, on_act=lambda _: unknown)
    async with dispatching(database, book, carriers={"sandbox": carrier}) as d:
        if "surge" in brake:
            await d.tell(decision(segment="promoter"))
        await d.tell(decision(HER, segment="promoter", budgets=ONE_A_WEEK))
        await d.run()
        row = await d.row(customer_id=HER)
        assert (row.state, row.reason.startswith(reason)) == ("parked", True), row.reason
        yield d


def _but_action(do: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in do.items() if name != "action"}


def _revised() -> CustomerDecided:
    return decision(HER, version=2, segment="passive", at=later(hours=1))


def _withdrawn() -> CustomerDecided:
    refused = open_permits(refused=CLASSES)
    return decision(HER, version=2, segment="promoter", response="n", triggers=(), permits=refused)


@pytest.mark.parametrize(("brake", "do", "reason"), KINDS)
@pytest.mark.parametrize(
    ("told", "state", "why"),
    [
        pytest.param(
            _revised, "superseded", "it is 7 now, the play wants at least 9", id="revised"
        ),
        pytest.param(_withdrawn, "suppressed", "no permit for marketing", id="consent-withdrawn"),
    ],
)
async def test_newer_news_ends_what_is_parked(
    database: str,
    brake: dict[str, Any],
    do: dict[str, Any],
    reason: str,
    told: Callable[[], CustomerDecided],
    state: str,
    why: str,
) -> None:
    """At once, not when somebody releases it: nobody is to look at what is wrong by now."""
    async with parked(database, brake, do, reason) as d:
        d.now = later(hours=1)
        await d.tell(told())
        row = await d.row(customer_id=HER)
        assert (row.state, why in row.reason) == (state, True), row.reason


@pytest.mark.parametrize(("brake", "do", "reason"), KINDS)
async def test_what_is_parked_expires_at_its_deadline(
    database: str, brake: dict[str, Any], do: dict[str, Any], reason: str
) -> None:
    """With the reason, told to the others; its slot is free for what comes then."""
    async with parked(database, brake, do, reason) as d:
        d.now = later(hours=71)
        assert await sweep(d.engine, ["sandbox", "alerts"], d.now) == []
        d.now = later(hours=72)
        await sweep(d.engine, ["sandbox", "alerts"], d.now)
        row = await d.row(customer_id=HER)
        assert row.state == "expired"
        assert f"; parked until then: {reason}" in row.reason
        while await d.teller.step():
            pass
        told = [e.data for e in d.bag.events() if isinstance(e.data, DeliverySettled)]
        assert [t.state for t in told if t.customer_id == HER] == ["parked", "expired"]
        newer = decision(
            HER, version=2, segment="promoter", response="r2", at=d.now, budgets=ONE_A_WEEK
        )
        await d.tell(newer)
        assert (await d.row(cause_id=newer.cause.id)).send_at == d.now
