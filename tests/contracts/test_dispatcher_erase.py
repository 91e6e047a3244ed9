"""She is forgotten: her rows are emptied, what waits is ended, and nothing brings anything back."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest

from services.dispatcher.calls.calls import Idempotency, Verdict
from services.dispatcher.delivery import TargetRules
from services.dispatcher.lanes.lane import Lane
from services.dispatcher.lanes.sweep import sweep
from services.dispatcher.operate.settle import settle
from shared.errors import DependencyAway
from shared.events.decisions import CustomerDecided, Hold
from shared.events.envelope import Event
from shared.events.outcomes import MessageBounced, MessageOpened, MessageUnsubscribed
from shared.events.vocabulary import Identifier
from tests.builders.auditing import pen
from tests.builders.carrier import OK, ScriptedCarrier
from tests.builders.decisions import (
    CLASSES,
    NOW,
    decision,
    erased,
    later,
    merged,
    open_permits,
    permit,
    rolling,
    unmerged,
)
from tests.builders.dispatching import Dispatching, dispatching, play, rules
from tests.builders.scanning import found
from tests.builders.waiting import eventually
from tests.contracts.test_events import event

#: Written so that no part of it can appear by chance.
WORDS = ("zazou", "Serinette", "plumage", "+33698765432", "ext-73")
SHE, HER_OLD_ID, SOMEBODY = uuid.UUID(int=71), uuid.UUID(int=70), uuid.UUID(int=5)
TARGET = TargetRules(
    "sandbox", 8, ("nps_segment", "first_name"), ("nps_score",), None, True, erased_by=()
)
BOOK = rules(
    play("thanks", "promoter", "invite", context={"said_by": "somebody"}),
    play("alert", "promoter", "alert", target="alerts", channels=["chat"], **{"class": "internal"}),
    targets=[TARGET],
)


def hers(customer: uuid.UUID = SHE, **said: Any) -> CustomerDecided:
    """A promoter's decision with something of hers in every field that can hold it."""
    plain = decision(customer, segment="promoter", **{"group": "foyer-zazou", **said})
    snapshot = plain.snapshot.model_copy(
        update={"first_name": "Zazoulina", "last_name": "Serinette", "comment": "quel plumage"}
    )
    known = (
        Identifier(kind="external_id", value="ext-73"),
        Identifier(kind="email", value="zazou@example.com"),
        Identifier(kind="phone", value="+33698765432"),
    )
    return plain.model_copy(update={"identifiers": known, "snapshot": snapshot})


async def left(database: str) -> dict[str, set[str]]:
    """Where anything of hers is found in the dispatcher's schema."""
    return await found(database, ["dispatcher"], WORDS)


async def everything(d: Dispatching) -> list[tuple[str, list[str]]]:
    """All rows of all tables of the schema, as text; but counts of calls, which name nobody."""
    tables = await d.scalars(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'dispatcher'"
        " AND tablename <> 'kind_tallies' ORDER BY 1"
    )
    return [
        (name, await d.scalars(f'SELECT t::text FROM "{name}" t ORDER BY 1')) for name in tables
    ]


async def test_nothing_of_hers_is_left_in_any_column_of_any_table(database: str) -> None:
    """Reached, sent, waiting, refused, parked and in doubt: ids and times stay, nothing else."""
    answers = [
        Verdict("accepted", "HTTP 202", reference="events/zazou"),
        Verdict("in_doubt", "no answer"),
        Verdict("park", "find: 2 profiles match"),
    ]
    carrier = ScriptedCarrier(
        action_idempotency=Idempotency("none"), on_act=lambda number: answers[number - 1]
    )
    async with dispatching(database, BOOK, carriers={"sandbox": carrier}) as d:
        await d.tell(hers(HER_OLD_ID, response="r0"), merged(HER_OLD_ID, SHE))
        # Before the others: what is parked ends with her permit.
        no = permit("marketing", allowed=False).model_copy(update={"reason": "Serinette said no"})
        refused = (no, *open_permits(refused=["marketing"])[2:])
        await d.tell(hers(version=1, response="r1", permits=refused))
        for version in (2, 3, 4):
            await d.tell(hers(version=version, response=f"r{version}"))
            await d.run()
        wait = Hold(rule="asked", classes=CLASSES, reason="plumage", until=later(days=1))
        await d.tell(hers(version=5, response="r5", holds=(wait,)))
        before = {row.id: row.state for row in await d.rows(play="thanks")}
        assert {"accepted", "in_doubt", "parked", "suppressed", "waiting"} == set(before.values())
        seen = await left(database)
        assert set().union(*seen.values()) == set(WORDS)
        assert len(seen) >= 6
        await d.tell(erased(HER_OLD_ID, SHE, at=later(minutes=1)))
        assert set(await left(database)) == {"dispatcher.deletions.identifiers"}
        await d.run()
        assert await left(database) == {}
        after = {row.id: row for row in await d.rows(play="thanks")}
        assert after.keys() == before.keys()
        ended = {"waiting": "superseded", "parked": "superseded"}
        assert {one: row.state for one, row in after.items()} == {
            one: ended.get(state, state) for one, state in before.items()
        }
        assert all(row.context == {} and row.reference is None for row in after.values())


@pytest.mark.parametrize(
    ("answer", "state", "after"),
    [
        pytest.param(None, "planned", "superseded", id="planned"),
        pytest.param(Verdict("retry", "HTTP 503"), "waiting", "superseded", id="waiting"),
        pytest.param(Verdict("park", "no event"), "parked", "superseded", id="parked"),
        pytest.param(Verdict("in_doubt", "no answer"), "in_doubt", "in_doubt", id="in-doubt"),
        pytest.param(Verdict("reject", "bad field"), "rejected", "rejected", id="rejected"),
        pytest.param(OK, "accepted", "accepted", id="accepted"),
    ],
)
async def test_what_waits_for_her_is_ended_with_a_reason_and_never_sent(
    database: str, answer: Verdict | None, state: str, after: str
) -> None:
    """Days later nothing was sent; a doubt stays one, and what has ended stays as it was."""
    carrier = ScriptedCarrier(action_idempotency=Idempotency("none"))
    async with dispatching(database, BOOK, carriers={"sandbox": carrier}) as d:
        await d.tell(hers())
        if answer is not None:
            carrier.on_act = lambda _number: answer
            await d.run()
        assert (await d.row(play="thanks")).state == state
        calls = len(carrier.actions)
        carrier.on_act = lambda _number: OK
        await d.tell(erased(SHE))
        row = await d.row(play="thanks")
        assert (row.state, row.reason) == (after, "she was erased")
        d.now = later(minutes=1)
        await d.run_until(later(days=4), every=timedelta(hours=12))
        await sweep(d.engine, list(d.lanes), d.now)
        assert len(carrier.actions) == calls
        assert (await d.row(play="thanks")).state == after


async def test_an_attempt_that_may_be_repeated_is_in_doubt_and_not_repeated(database: str) -> None:
    """It waits under its key for a second try, and may have reached her: nobody will know."""
    carrier = ScriptedCarrier(on_act=lambda _number: Verdict("in_doubt", "no answer"))
    async with dispatching(database, BOOK, carriers={"sandbox": carrier}) as d:
        await d.tell(hers())
        await d.run()
        assert (await d.row(play="thanks")).state == "waiting"
        await d.tell(erased(SHE))
        d.now = later(days=1)
        await d.run()
        assert (await d.row(play="thanks")).state == "in_doubt"
        assert len(carrier.actions) == 1


@asynccontextmanager
async def in_flight(
    database: str, kind: str, answer: Verdict
) -> AsyncIterator[tuple[Dispatching, ScriptedCarrier, asyncio.Event]]:
    """Her push, or her invitation, is on its way when she is erased."""
    held = asyncio.Event()
    carrier = ScriptedCarrier()
    async with dispatching(database, BOOK, carriers={"sandbox": carrier}) as d:
        await d.tell(hers())
        if kind == "act":
            # The push goes alone: only then is it the action's turn.
            d.lanes["sandbox"] = one_at_a_time(d)
            await d.fresh()
            await d.lanes["sandbox"].step()
            await d.lanes["sandbox"].settle()
        carrier.gate = held
        carrier.on_act = carrier.on_push = lambda _number: answer
        await d.fresh()
        await d.lanes["sandbox"].step()

        async def called() -> bool:
            return bool(carrier.kinds) and carrier.kinds[-1][0] == kind

        await eventually(called)
        await d.tell(erased(SHE))
        yield d, carrier, held


def one_at_a_time(d: Dispatching) -> Lane:
    """A lane with one call slot."""
    narrow = replace(d.rulebook, targets={"sandbox": replace(TARGET, concurrency=1)})
    whole, d.rulebook = d.rulebook, narrow
    try:
        return d.lane("sandbox")
    finally:
        d.rulebook = whole


@pytest.mark.parametrize("kind", ["push", "act"])
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Verdict("accepted", "HTTP 202", reference="zazou"), id="accepted"),
        pytest.param(Verdict("retry", "HTTP 503"), id="to-be-repeated"),
        pytest.param(Verdict("in_doubt", "no answer"), id="unanswered"),
    ],
)
async def test_a_call_in_flight_ends_before_the_deletion_and_brings_nothing_back(
    database: str, kind: str, answer: Verdict
) -> None:
    """Its answer is about nobody; the deletion waits for it, so that it comes last."""
    async with in_flight(database, kind, answer) as (d, carrier, held):
        other = d.lane("sandbox")
        assert await other.step() is False
        held.set()
        await d.lanes["sandbox"].settle()
        d.now = later(minutes=1)
        await d.run()
        d.now = later(days=1)
        await d.run()
        assert [one for one, _ in carrier.kinds].count(kind) == 1
        assert carrier.kinds[-1] == ("erase", SHE)
        assert carrier.overlaps == 0
        assert await left(database) == {}
        assert await d.scalars("SELECT count(*) FROM pushes") == [0]
        assert await d.scalars("SELECT count(*) FROM calls") == [0]
        row = await d.row(play="thanks")
        assert (row.state, row.reason) == (
            "in_doubt" if kind == "act" else "superseded",
            row.reason,
        )
        assert row.reference is None


@pytest.mark.parametrize("kind", ["push", "act"])
async def test_a_worker_lost_during_the_call_holds_the_deletion_only_until_its_lease(
    database: str, kind: str
) -> None:
    """Its lease lapses, the deletion goes, and a late answer finds nothing to write to."""
    answer = Verdict("accepted", "HTTP 202", reference="zazou")
    async with in_flight(database, kind, answer) as (d, carrier, held):
        await d.lapse()
        other = d.lane("sandbox")
        carrier.gate = None
        for _ in range(3):
            await other.step()
            await other.settle()
        assert carrier.kinds[-1] == ("erase", SHE)
        seen = await everything(d)
        held.set()
        await d.lanes["sandbox"].settle()
        assert await everything(d) == seen
        assert await left(database) == {}


def afterwards() -> dict[str, CustomerDecided | Event]:
    """All that a redelivery or a replay may still tell of her ids."""
    first = hers()
    return {
        "the same decision": first,
        "a newer one": hers(version=9, response="r9"),
        "one of her old id": hers(HER_OLD_ID, version=4, response="r4"),
        "the merge": merged(HER_OLD_ID, SHE),
        "a merge into her": merged(SOMEBODY, SHE, at=later(hours=-1)),
        "a merge of hers": merged(SHE, SOMEBODY, at=later(hours=-1)),
        "an undoing": unmerged(HER_OLD_ID, SHE, at=later(hours=2)),
        "the erasure": erased(HER_OLD_ID, SHE),
    }


@pytest.mark.parametrize("name", list(afterwards()))
async def test_what_is_told_late_of_her_ids_changes_nothing(database: str, name: str) -> None:
    """Nothing is created, nothing comes back, and the same delivery is never sent again."""
    async with dispatching(database, BOOK) as d:
        await d.tell(decision(SOMEBODY), hers(HER_OLD_ID), merged(HER_OLD_ID, SHE), hers())
        await d.run()
        await d.tell(erased(HER_OLD_ID, SHE))
        await d.run()
        seen, sent = await everything(d), len(d.carriers["sandbox"].actions)
        d.now = later(minutes=10)
        await d.tell(afterwards()[name])
        await d.run("sandbox", "alerts", fresh=False)
        assert await everything(d) == seen
        assert len(d.carriers["sandbox"].actions) == sent


@pytest.mark.parametrize("report", [MessageOpened, MessageBounced, MessageUnsubscribed])
@pytest.mark.parametrize("state", ["accepted", "in_doubt"])
async def test_a_report_of_a_message_to_her_is_not_noted(
    database: str, report: type[MessageOpened], state: str
) -> None:
    """By its delivery id the platform still speaks of her; we do not listen."""
    answer = OK if state == "accepted" else Verdict("in_doubt", "no answer")
    carrier = ScriptedCarrier(action_idempotency=Idempotency("none"), on_act=lambda _number: answer)
    async with dispatching(database, BOOK, carriers={"sandbox": carrier}) as d:
        await d.tell(hers())
        await d.run()
        row = await d.row(play="thanks")
        assert row.state == state
        await d.tell(erased(SHE))
        seen = await everything(d)
        said = report(delivery_id=row.id, channel="email", target="sandbox", occurred_at=NOW)
        await d.tell(event(said))
        assert await everything(d) == seen


async def test_any_order_of_what_was_told_ends_with_nothing_of_hers(database: str) -> None:
    """Partitions are read apart, so the erasure may come before anything it is about."""
    told: list[CustomerDecided | Event] = [
        hers(HER_OLD_ID),
        merged(HER_OLD_ID, SHE),
        hers(version=2, response="r2"),
        erased(HER_OLD_ID, SHE),
    ]
    async with dispatching(database, BOOK) as d:
        for order in permutations(told):
            await d.execute("TRUNCATE recipients, pushes, planned, deliveries, erasures CASCADE")
            await d.tell(*order)
            await d.run()
            assert await left(database) == {}
            states = await d.scalars("SELECT DISTINCT state FROM deliveries")
            assert set(states) <= {"superseded", "accepted"}
            assert await d.scalars("SELECT count(*) FROM pushes") == [0]


async def test_the_same_delivery_is_not_made_for_whoever_the_answer_is_told_of_again(
    database: str,
) -> None:
    """Its id follows from the answer: the stub in the ledger is enough."""
    async with dispatching(database, BOOK) as d:
        first = hers()
        await d.tell(first)
        await d.run()
        await d.tell(erased(SHE))
        await d.tell(decision(SOMEBODY, segment="promoter", cause=first.cause.id))
        await d.run()
        assert len(d.carriers["sandbox"].actions) == 1
        assert len(await d.rows(play="thanks")) == 1


async def test_nothing_more_is_told_of_her_deliveries(database: str) -> None:
    """Whoever would hear of it has forgotten her, too."""
    async with dispatching(database, BOOK) as d:
        await d.tell(hers(), decision(SOMEBODY, segment="promoter"))
        await d.run()
        await d.tell(erased(SHE))
        await d.teller.step()
        assert {told.data.customer_id for told in d.bag.events()} == {SOMEBODY}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("outcome", "state"),
    [pytest.param("sent", "accepted", id="sent"), pytest.param("again", "superseded", id="again")],
)
async def test_a_doubt_about_her_is_settled_without_sending(
    database: str, outcome: Any, state: str
) -> None:
    """A person may say that it was sent; to try again comes too late."""
    carrier = ScriptedCarrier(
        action_idempotency=Idempotency("none"),
        on_act=lambda _number: Verdict("in_doubt", "no answer"),
    )
    async with dispatching(database, BOOK, carriers={"sandbox": carrier}) as d:
        await d.tell(hers())
        await d.run()
        await d.tell(erased(SHE))
        row = await d.row(play="thanks")
        after, moved = await settle(d.engine, row.id, outcome, pen("dispatcher", later(minutes=1)))
        d.now = later(minutes=1)
        await d.run()
        assert moved
        assert after is not None
        assert after.state == state
        assert len(carrier.actions) == 1


def _member(customer: uuid.UUID, **said: Any) -> CustomerDecided:
    """A promoter of her household, which hears of us once a week."""
    week = rolling(1, 7 * 24).model_copy(update={"scope": "group"})
    return hers(customer, budgets=(week,), **said)


async def test_her_household_goes_on_counting_what_she_received(database: str) -> None:
    """Contacts may be fewer, never more; the others' slots and deliveries are untouched."""
    async with dispatching(database, BOOK) as d:
        other = _member(SOMEBODY, version=1, triggers=())
        await d.tell(_member(SHE), other)
        await d.run()
        await d.tell(erased(SHE))
        await d.tell(_member(SOMEBODY, version=2, response="s2"))
        await d.run()
        mine = await d.row(customer_id=SOMEBODY, play="thanks")
        assert mine.state in ("waiting", "suppressed")
        assert "budget" in mine.reason
        assert len(d.carriers["sandbox"].actions) == 1


async def test_a_household_that_nobody_is_left_in_is_forgotten(database: str) -> None:
    """With its last member, or once that member has left for another."""
    async with dispatching(database, BOOK) as d:
        await d.tell(_member(SHE), _member(SOMEBODY, version=1))
        await d.tell(erased(SHE))
        groups = "SELECT group_key FROM groups"
        assert await d.scalars(groups) == ["foyer-zazou"]
        await d.tell(decision(SOMEBODY, version=2, response="s2", group="elsewhere"))
        assert await d.scalars(groups) == ["elsewhere"]
        known = "SELECT group_key FROM recipients WHERE erased_at IS NOT NULL"
        assert await d.scalars(known) == [None]
        await d.tell(erased(SOMEBODY))
        assert await d.scalars(groups) == []


async def test_somebody_who_was_merged_with_her_for_a_while_keeps_what_is_hers(
    database: str,
) -> None:
    """The undoing is told on another partition, and heard of only after the erasure."""
    async with dispatching(database, BOOK) as d:
        mine = decision(SOMEBODY, segment="promoter", response="mine")
        undo = unmerged(SOMEBODY, SHE, at=later(seconds=1))
        state = decision(SOMEBODY, version=2, segment="promoter", response="undo", triggers=())
        await d.tell(mine, merged(SOMEBODY, SHE), hers(version=2))
        await d.tell(erased(SHE), undo, state)
        assert await d.scalars("SELECT merged_into FROM recipients") == [None, None]
        d.now = later(minutes=1)
        await d.run()
        row = await d.row(cause_id=mine.cause.id, play="thanks")
        assert (row.customer_id, row.state) == (SOMEBODY, "accepted")
        assert (await d.push(SOMEBODY)).state == "reached"
        assert await left(database) == {}


async def test_what_she_said_while_merged_is_not_sent_to_the_survivor(database: str) -> None:
    """She is parted and forgotten; that it was her answer is heard of only then."""
    async with dispatching(database, BOOK) as d:
        said = decision(SOMEBODY, version=3, segment="promoter", response="hers")
        undo = unmerged(SHE, SOMEBODY, at=later(seconds=1), causes=[said.cause.id])
        await d.tell(
            hers(), decision(SOMEBODY, version=1, triggers=()), merged(SHE, SOMEBODY), said
        )
        await d.tell(erased(SHE), undo)
        await d.run()
        d.now = later(minutes=1)
        await d.run()
        row = await d.row(cause_id=said.cause.id, play="thanks")
        assert (row.customer_id, row.state) == (SHE, "superseded")
        assert d.carriers["sandbox"].actions == []


async def test_an_erasure_beside_everything_else_leaves_nothing_and_stops_nobody(
    database: str,
) -> None:
    """Decisions, merges, reports, calls and two erasures at once: whoever comes first, all end."""
    async with dispatching(database, BOOK) as d:
        sisters = [uuid.UUID(int=900 + number) for number in range(6)]
        told: list[list[CustomerDecided | Event]] = [
            [hers(version=version, response=f"r{version}") for version in range(1, 9)],
            [hers(HER_OLD_ID, version=version, response=f"o{version}") for version in range(1, 9)],
            [merged(HER_OLD_ID, SHE), unmerged(HER_OLD_ID, SHE, at=later(seconds=1))],
            [decision(one, segment="promoter", group="foyer-zazou") for one in sisters],
            [erased(HER_OLD_ID, SHE), erased(HER_OLD_ID, SHE, number=2)],
        ]

        async def tell(one: CustomerDecided | Event) -> None:
            while True:
                try:
                    return await d.tell(one)
                except DependencyAway:  # as the consumer does: the whole batch again
                    continue

        async def tell_in_turn(events: list[CustomerDecided | Event]) -> None:
            for one in events:
                await tell(one)

        async def call() -> None:
            other = d.lane("sandbox")
            for _ in range(20):
                await other.step()
                await other.settle()

        await d.fresh()
        await asyncio.gather(*map(tell_in_turn, told), call(), call())
        await asyncio.gather(*map(tell_in_turn, reversed(told)), call())
        await d.run()
        d.now = later(minutes=1)
        await d.run()
        assert {place.rpartition(".")[0] for place in await left(database)} <= {
            "dispatcher.recipients",
            "dispatcher.groups",
        }
        assert await d.scalars(
            "SELECT DISTINCT customer_id FROM recipients WHERE state IS NOT NULL ORDER BY 1"
        ) == sorted(sisters)
        rows = [row for row in await d.rows() if row.customer_id in (SHE, HER_OLD_ID)]
        assert {row.state for row in rows} <= {"accepted", "superseded", "in_doubt"}
        assert {row.reason for row in rows} == {"she was erased"}
        assert d.carriers["sandbox"].overlaps == 0
        states = {row.state for row in await d.rows(play="thanks") if row.customer_id in sisters}
        assert states == {"accepted"}
