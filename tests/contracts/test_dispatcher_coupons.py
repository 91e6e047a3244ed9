"""Coupon pools on a real PostgreSQL: each code once, never more than the period allows."""

import asyncio
import uuid
from pathlib import Path
from typing import Any

import pytest

from services.cli import app as nps
from services.dispatcher.calls.calls import Verdict
from services.dispatcher.delivery import TargetRules
from services.dispatcher.plan import coupons
from shared.errors import DependencyAway
from shared.events.decisions import CustomerDecided, Snapshot
from shared.events.vocabulary import Segment
from tests.builders.auditing import pen
from tests.builders.carrier import ScriptedCarrier
from tests.builders.decisions import NOW, decision, later, open_permits
from tests.builders.dispatcher_api import ENVIRON, OPS, VIEWER, app_of, client
from tests.builders.dispatching import Dispatching, dispatching, play, rules
from tests.builders.operating import answering, run, told

SHOP = TargetRules("shop", 8, (), (), None, True)
SANDBOX = TargetRules("sandbox", 8, (), (), None, True, sandbox=True)


def book(most: int = 100, *more: dict[str, Any], review_sites: Any = None, **changes: Any) -> Any:
    given = play("discount", "passive", "discount", target="shop", coupon="spring", **changes)
    pools = {"coupon_pools": {"spring": {"most": most, "period": "30 d"}}}
    sites = {"review_sites": review_sites or {}}
    return rules(given, *more, targets=[SHOP, SANDBOX], **pools, **sites)


def answer(number: int = 1, *, score: int = 7, version: int = 1, **more: Any) -> CustomerDecided:
    customer = more.pop("customer", uuid.UUID(int=number))
    segment: Segment = "passive" if score in {7, 8} else "promoter" if score > 8 else "detractor"
    seen = Snapshot(score=score, segment=segment, last_answered_at=NOW)
    return decision(customer, version=version, snapshot=seen, **more)


async def fill(d: Dispatching, *codes: str) -> None:
    await coupons.import_codes(d.engine, "spring", codes, pen("dispatcher", d.now))


async def codes_of(d: Dispatching) -> list[str | None]:
    return [row.context.get("coupon") for row in await d.rows()]


async def test_each_code_is_given_once(database: str) -> None:
    """Thirty answers planned by four handlers at once: thirty different codes."""
    async with dispatching(database, book()) as d:
        await fill(d, *(f"CODE-{number}" for number in range(40)))

        async def until_taken(told: CustomerDecided) -> None:
            while True:
                try:
                    return await d.tell(told)
                except DependencyAway:
                    continue

        await asyncio.gather(*(until_taken(answer(number)) for number in range(1, 31)))
        given = await codes_of(d)
        assert len(given) == len(set(given)) == 30
        assert None not in given
        await d.run()
        sent = [call.context["coupon"] for call in d.carriers["shop"].actions]
        assert sorted(map(str, sent)) == sorted(map(str, given))


async def test_an_answer_brings_one_code_of_a_pool(database: str) -> None:
    """Told again and again, and wanted by two plays: one."""
    other = play("gift", "passive", "gift", target="shop", coupon="spring")
    async with dispatching(database, book(100, other)) as d:
        await fill(d, "A-1", "A-2", "A-3")
        await d.tell(answer(), answer(version=2))
        rows = await d.rows()
        assert sorted((row.state, "coupon" in row.context) for row in rows) == [
            ("planned", True),
            ("suppressed", False),
        ]
        assert await d.scalars("SELECT count(*) FROM coupons WHERE delivery_id IS NULL") == [2]


async def test_an_empty_pool_parks_and_goes_on_by_itself(database: str) -> None:
    """No message promises what it does not hold; once codes are there it goes out."""
    async with dispatching(database, book()) as d:
        await d.tell(answer())
        await d.run()
        row = await d.row()
        assert (row.state, row.reason.split(":")[0]) == (
            "parked",
            "no code left in coupon pool spring",
        )
        assert d.carriers["shop"].actions == []
        await fill(d, "B-1")
        assert [one.state for one in await coupons.refill(d.engine, d.rulebook, d.now)] == [
            "waiting"
        ]
        await d.run()
        assert (await d.row()).state == "accepted"
        assert d.carriers["shop"].actions[0].context["coupon"] == "B-1"


async def test_a_release_by_hand_sends_no_message_without_its_code(database: str) -> None:
    """The gate asks again, whoever made it due."""
    async with dispatching(database, book()) as d:
        await d.tell(answer())
        await d.execute("UPDATE deliveries SET state = 'waiting', due = :now", now=d.now)
        await d.run()
        assert (await d.row()).state == "parked"
        assert d.carriers["shop"].actions == []


async def test_a_period_gives_no_more_than_its_most(database: str) -> None:
    """The third waits although codes are left; a month later the period is a new one."""
    async with dispatching(database, book(2, max_age="90 d")) as d:
        await fill(d, "C-1", "C-2", "C-3")
        await d.tell(*(answer(number) for number in (1, 2, 3)))
        assert sorted(row.state for row in await d.rows()) == ["parked", "planned", "planned"]
        d.now = later(days=29)
        assert await coupons.refill(d.engine, d.rulebook, d.now) == []
        d.now = later(days=31)
        assert len(await coupons.refill(d.engine, d.rulebook, d.now)) == 1


@pytest.mark.parametrize(
    "end",
    [
        pytest.param({"permits": open_permits(refused=["marketing"])}, id="consent-gone"),
        pytest.param({"score": 9}, id="revised-upward"),
    ],
)
async def test_what_is_not_sent_gives_its_code_back(database: str, end: dict[str, Any]) -> None:
    """Superseded before the first attempt: the code is free, and the row names it no more."""
    hurried = book()
    async with dispatching(database, hurried) as d:
        await fill(d, "D-1")
        await d.tell(answer())
        await d.tell(answer(version=2, **end))
        (first, *_) = await d.rows(play="discount")
        assert first.state in {"superseded", "suppressed"}
        assert "coupon" not in first.context
        assert await d.scalars("SELECT delivery_id FROM coupons") == [None]


async def test_a_code_that_may_have_been_seen_is_never_given_again(database: str) -> None:
    """One attempt was made: whether she saw it nobody knows."""
    carrier = ScriptedCarrier("shop", on_act=lambda _: Verdict("retry", "503"))
    async with dispatching(database, book(), carriers={"shop": carrier}) as d:
        await fill(d, "E-1")
        await d.tell(answer())
        await d.run()
        d.now = later(days=4)
        await d.run()
        assert (await d.row()).state == "expired"
        assert await d.scalars("SELECT count(*) FROM coupons WHERE delivery_id IS NULL") == [0]


@pytest.mark.parametrize(
    ("scores", "given"),
    [
        pytest.param((7,), True, id="a passive"),
        pytest.param((9, 7), False, id="lowered into the band"),
        pytest.param((8, 7), True, id="lowered within it"),
        pytest.param((3, 7), True, id="raised into it"),
        pytest.param((9, 3, 7), False, id="lowered and raised again"),
    ],
)
async def test_no_code_for_a_score_changed_downwards(
    database: str, scores: tuple[int, ...], given: bool
) -> None:
    """Whoever lowers her answer to get the discount does not; an honest seven does."""
    async with dispatching(database, book()) as d:
        await fill(d, "F-1")
        for version, score in enumerate(scores, 1):
            await d.tell(answer(score=score, version=version))
        row = await d.row(play="discount")
        assert row.state == ("planned" if given else "suppressed")
        assert ("coupon" in row.context) is given
        if not given:
            assert "changed downwards" in row.reason


@pytest.mark.parametrize("sent", [True, False])
async def test_who_got_a_code_is_asked_for_no_review_of_the_same_answer(
    database: str, sent: bool
) -> None:
    """A seven that becomes a nine: once the code may have been seen, a review would be for it."""
    ask = play("review", "promoter", "review", target="shop", review_site="shop")
    given = book(100, ask, review_sites={"shop": {"audience": "promoters"}})
    async with dispatching(database, given) as d:
        await fill(d, "G-1")
        await d.tell(answer(score=7))
        if sent:
            await d.run()
        await d.tell(answer(score=9, version=2))
        review = await d.row(play="review")
        assert review.state == ("suppressed" if sent else "planned")
        assert ("a coupon goes with the same answer" in review.reason) is sent


async def test_a_new_answer_is_no_lowered_one(database: str) -> None:
    """Last spring's nine does not stand against today's seven."""
    async with dispatching(database, book()) as d:
        await fill(d, "G-1")
        await d.tell(answer(score=9))
        await d.tell(answer(version=2, response="r2"))
        assert (await d.row(play="discount")).state == "planned"


async def test_what_reaches_nobody_costs_no_code(database: str) -> None:
    """A test respondent's message holds an example, and the pool stays full."""
    async with dispatching(database, book()) as d:
        await fill(d, "H-1")
        await d.tell(answer(test=True))
        row = await d.row()
        assert row.context["coupon"].startswith("EXAMPLE-")
        assert await d.scalars("SELECT count(*) FROM coupons WHERE delivery_id IS NULL") == [1]


async def test_operators_import_and_count(database: str, tmp_path: Path) -> None:
    """By the API and the command line; a code told twice is one, and none is ever shown."""
    file = tmp_path / "codes.txt"
    file.write_text("I-01\nI-02\n\n I-03 \nI-01\n")
    async with dispatching(database, book()) as d:
        async with answering(app_of(d)) as url:
            first = await run(
                nps, "coupon", "import", "spring", file, "--json", url=url, environ=ENVIRON
            )
            again = await run(
                nps, "coupon", "import", "spring", file, "--json", url=url, environ=ENVIRON
            )
            await d.tell(answer())
            listed = await run(nps, "coupon", "list", "--json", url=url, environ=ENVIRON)
            shown = await run(nps, "coupon", "list", url=url, environ=ENVIRON)
        assert told(first) == {"pool": "spring", "added": 3, "known": 0}
        assert told(again) == {"pool": "spring", "added": 0, "known": 3}
        (pool,) = told(listed)["pools"]
        assert (pool["free"], pool["given"], pool["most_in_period"]) == (2, 1, 100)
        assert "spring" in shown.stdout
        assert "I-0" not in listed.stdout + shown.stdout
        async with client(d) as caller:
            refused = await caller.post("/v1/coupons/spring", headers=VIEWER, json={"codes": ["X"]})
            unknown = await caller.post("/v1/coupons/winter", headers=OPS, json={"codes": ["XYZ"]})
        assert (refused.status_code, unknown.status_code) == (403, 404)
