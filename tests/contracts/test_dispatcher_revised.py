"""Revisions on a real PostgreSQL: what her answer says at last is what is done, once."""

import uuid
from typing import Any

import pytest

from services.dispatcher.calls.calls import Verdict
from services.dispatcher.plan import coupons
from shared.events.decisions import CustomerDecided, Snapshot
from shared.events.outcomes import DeliverySettled
from shared.events.vocabulary import Segment
from tests.builders.auditing import pen
from tests.builders.carrier import OK, ScriptedCarrier
from tests.builders.decisions import NOW, decision, later, open_permits, rolling
from tests.builders.dispatching import Dispatching, dispatching, play, rules

HER = uuid.UUID(int=77)
SERVICE = {"class": "service", "legal_basis": "contract"}
SORRY = play("sorry", "detractor", "reassurance", **SERVICE)
ALERT = play(
    "alert",
    "detractor",
    "internal_alert",
    trigger="received",
    target="alerts",
    channels=["chat"],
    **{"class": "internal"},
)
BY_PRICE = {
    **play("price", "detractor", "price_reply", **SERVICE),
    "when": {"trigger": "settled", "theme": ["price"]},
    "only_one_of": "reply",
    "priority": 9,
}
BY_DELIVERY = {
    **play("delivery", "detractor", "delivery_reply", **SERVICE),
    "when": {"trigger": "settled", "theme": ["delivery"]},
    "only_one_of": "reply",
    "priority": 8,
}
ANY = {**play("any", "detractor", "reply", **SERVICE), "only_one_of": "reply"}


def said(version: int, score: int, theme: str = "price", **more: Any) -> CustomerDecided:
    """Her one answer as it stands."""
    segment: Segment = "detractor" if score < 7 else "passive" if score < 9 else "promoter"
    seen = Snapshot(score=score, segment=segment, theme=theme, last_answered_at=NOW)
    return decision(HER, version=version, snapshot=seen, answered_at=NOW, **more)


async def sent(d: Dispatching) -> list[str]:
    """Name the plays whose messages went out."""
    await d.run()
    return sorted(row.play for row in await d.rows(state="accepted"))


@pytest.mark.parametrize("together", [False, True], ids=["one by one", "in one batch"])
async def test_three_then_eight_then_three_again_is_a_three(database: str, together: bool) -> None:
    """She slipped twice on the scale: somebody hears of her, and so does she."""
    told = [said(1, 3), said(2, 8), said(3, 3)]
    async with dispatching(database, rules(SORRY, ALERT)) as d:
        if together:
            await d.tell(*told)
        else:
            for one in told:
                await d.tell(one)
        assert await sent(d) == ["alert", "sorry"]
        reasons = await d.scalars("SELECT reason FROM delivery_changes ORDER BY change")
        assert "her answer was revised: it is right by now" in reasons
        while await d.teller.step():
            pass
        settled = [e.data for e in d.bag.events() if isinstance(e.data, DeliverySettled)]
        states = {one.state for one in settled if one.play == "sorry"}
        assert states == ({"accepted"} if together else {"superseded", "accepted"})


async def test_what_was_sent_is_not_sent_again(database: str) -> None:
    """However often her answer comes back to what it was."""
    async with dispatching(database, rules(SORRY)) as d:
        for version, score in enumerate([3, 8, 3, 9, 2], start=1):
            await d.tell(said(version, score))
            await d.run()
        assert len(d.carriers["sandbox"].actions) == 1


async def test_a_call_that_failed_is_no_reason_to_begin_anew(database: str) -> None:
    """A revision ended it after a refused attempt: that end stands, whatever she says then."""
    carrier = ScriptedCarrier(on_act=lambda n: Verdict("retry", "503") if n == 1 else OK)
    async with dispatching(database, rules(SORRY), carriers={"sandbox": carrier}) as d:
        await d.tell(said(1, 3))
        await d.run()
        await d.tell(said(2, 8), said(3, 3))
        d.now = later(hours=1)
        assert await sent(d) == []
        assert (await d.row()).state == "superseded"


async def test_another_play_has_its_turn_when_the_winner_is_wrong(database: str) -> None:
    """She named another reason: who answers any detractor does, and only that one."""
    async with dispatching(database, rules(BY_PRICE, ANY)) as d:
        await d.tell(said(1, 3))
        assert {row.play: row.state for row in await d.rows()} == {
            "price": "planned",
            "any": "suppressed",
        }
        await d.tell(said(2, 3, "delivery"))
        assert {row.play: row.state for row in await d.rows()} == {
            "price": "superseded",
            "any": "planned",
        }
        await d.tell(said(3, 3))
        assert await sent(d) == ["any"]


async def test_no_other_play_speaks_after_the_winner_has(database: str) -> None:
    """One answer, one reply, whatever she changes then."""
    async with dispatching(database, rules(BY_PRICE, BY_DELIVERY, ANY)) as d:
        await d.tell(said(1, 3))
        assert await sent(d) == ["price"]
        await d.tell(said(2, 3, "delivery"))
        assert await sent(d) == ["price"]
        row = await d.row(play="delivery")
        assert row.reason == "only one of 'reply': play price went first"


async def test_what_is_planned_anew_takes_its_slot_anew(database: str) -> None:
    """Meanwhile another message took the only one: it stays as it ended."""
    budget = (rolling(1, 7 * 24),)
    other = play("other", "passive", "follow_up", **SERVICE)
    async with dispatching(database, rules(SORRY, other)) as d:
        await d.tell(said(1, 3, budgets=budget))
        await d.tell(said(2, 8, budgets=budget))
        assert await sent(d) == ["other"]
        await d.tell(said(3, 3, budgets=budget))
        assert await sent(d) == ["other"]
        assert (await d.row(play="sorry")).reason.startswith("her answer was revised: she is pas")


async def test_what_is_planned_anew_says_what_is_right_now(database: str) -> None:
    """Another reason, another template; another code, the first one having gone back."""
    given = play("discount", "passive", "discount", coupon="spring")
    given["do"]["variants"] = {"default": "ANY_T", "delivery": "DELIVERY_T"}
    pools: dict[str, Any] = {"coupon_pools": {"spring": {"most": 9, "period": "30 d"}}}
    async with dispatching(database, rules(given, **pools)) as d:
        await coupons.import_codes(d.engine, "spring", ["A-1"], pen("dispatcher", d.now))
        await d.tell(said(1, 7))
        await d.tell(said(2, 3))
        assert await d.scalars("SELECT count(*) FROM coupons WHERE delivery_id IS NULL") == [1]
        await d.tell(said(3, 7, "delivery"))
        assert await sent(d) == ["discount"]
        row = await d.row()
        assert (row.template, row.context["coupon"]) == ("DELIVERY_T", "A-1")


async def test_what_a_revision_ended_during_its_call_is_asked_when_it_comes_back(
    database: str,
) -> None:
    """The revision came while it was being sent; the call failed: it is not repeated."""
    by_score = {**SORRY, "when": {"trigger": "settled", "score_to": 6}}
    carrier = ScriptedCarrier(on_act=lambda n: Verdict("retry", "503") if n == 1 else OK)
    async with dispatching(database, rules(by_score), carriers={"sandbox": carrier}) as d:
        await d.tell(said(1, 3))
        await d.run()
        # As a decision finds it whose transaction came before the end of the call.
        await d.execute("UPDATE deliveries SET state = 'sending'")
        await d.tell(said(2, 8))
        await d.execute("UPDATE deliveries SET state = 'waiting'")
        d.now = later(hours=1)
        assert await sent(d) == []
        row = await d.row()
        assert row.reason == "her answer was revised: it is 8 now, the play wants at most 6"


GIFT = play("gift", "passive", "gift")
THANKS = {**play("thanks", "passive", "thanks", **SERVICE), "alone": True}


@pytest.mark.parametrize("first", [GIFT, THANKS], ids=["gift first", "thanks first"])
async def test_one_answer_brings_one_message_however_it_is_revised(
    database: str, first: dict[str, Any]
) -> None:
    """The thanks leave the word to the gift, wherever they stand in the file; told again, too."""
    last = THANKS if first is GIFT else GIFT
    async with dispatching(database, rules(first, last)) as d:
        await d.tell(said(1, 8))
        assert (
            await d.row(play="thanks")
        ).reason == "goes alone: play gift writes to her of the same"
        assert await sent(d) == ["gift"]
        await d.tell(said(2, 8, "delivery"))
        await d.tell(said(3, 7))
        assert await sent(d) == ["gift"]


NO_ROOM = rolling(1, 24 * 9, foreign=(NOW,)).model_copy(update={"classes": ("marketing",)})


@pytest.mark.parametrize(
    "told",
    [
        pytest.param({"permits": open_permits(refused=["marketing"])}, id="no yes to offers"),
        pytest.param({"budgets": (NO_ROOM,)}, id="no room for an offer"),
    ],
)
async def test_whom_no_offer_may_reach_is_thanked(database: str, told: dict[str, Any]) -> None:
    """Her permits and budgets keep the gift silent: the thanks have the word."""
    async with dispatching(database, rules(THANKS, GIFT)) as d:
        await d.tell(said(1, 8, **told))
        assert await sent(d) == ["thanks"]
        assert (await d.row(play="gift")).state == "suppressed"
