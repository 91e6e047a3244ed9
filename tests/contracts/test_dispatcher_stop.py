"""Plays that stop when done, on a real PostgreSQL: nobody is asked for what she has done."""

import uuid
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from services.dispatcher.calls.calls import Verdict
from services.dispatcher.delivery import TargetRules
from services.dispatcher.ledger import ledger
from shared.events import ids
from shared.events.decisions import Cause, CustomerDecided
from tests.builders.carrier import OK, ScriptedCarrier
from tests.builders.decisions import decision, later
from tests.builders.dispatcher_api import OPS, client
from tests.builders.dispatching import Dispatching, dispatching, play, rules

ASK = {**play("ask", "promoter", "invite_review"), "stop_when": ["review_left"]}
OTHER = play("other", "promoter", "invite_club")
TARGET = TargetRules("sandbox", 8, (), (), None, True)


def reviewed(customer: UUID, *, version: int = 2) -> CustomerDecided:
    """The decision that tells of a review she left."""
    said = decision(customer, version=version, segment="promoter", response="done")
    cause = Cause(
        id=ids.event_cause(ids.name_id("reviewed", customer)),
        kind="action",
        triggers=("action_completed",),
        deadline_from=later(hours=1),
        what="review_left",
    )
    return said.model_copy(update={"cause": cause, "decided_at": later(hours=1)})


async def states(d: Dispatching, **filters: object) -> dict[str, int]:
    return dict(Counter(row.state for row in await d.rows(**filters)))


async def test_what_waits_for_a_person_ends_when_she_has_done_it(database: str) -> None:
    """Parked by a brake: hers is over with the reason, another's and another play's still wait."""
    one, two = uuid.uuid4(), uuid.uuid4()
    book = rules({**ASK, "approve_first": 9}, {**OTHER, "approve_first": 9}, targets=[TARGET])
    async with dispatching(database, book) as d, client(d) as caller:
        await d.tell(decision(one, segment="promoter"), decision(two, segment="promoter"))
        assert await states(d) == {"parked": 4}
        d.now = later(hours=1)
        await d.tell(reviewed(one))
        hers = await d.row(customer_id=one, play="ask")
        assert (hers.state, hers.reason) == ("superseded", "she did it: review_left")
        assert await states(d, customer_id=two) == {"parked": 2}
        assert (await d.row(customer_id=one, play="other")).state == "parked"
        released = await caller.post(
            "/v1/deliveries/release", json={"target": "sandbox"}, headers=OPS
        )
        assert released.json()["changed"] == {"planned": 3}
        await d.run()
        sent = Counter(call.customer_id for call in d.carriers["sandbox"].actions)
        assert sent == {one: 1, two: 2}


async def test_what_waits_for_a_person_and_may_have_reached_her_stays_in_doubt(
    database: str,
) -> None:
    """An attempt was not answered: she may have been asked, so its slot is kept."""
    customer = uuid.uuid4()
    async with dispatching(database, rules(ASK, targets=[TARGET])) as d:
        await d.tell(decision(customer, segment="promoter"))
        async with d.engine.begin() as connection:
            (found,) = await ledger.read(connection, [(await d.row()).id])
            unsure = replace(found.to("parked", "waits for a person"), unanswered_since=d.now)
            await ledger.move(connection, [unsure], by="test", now=d.now)
        await d.tell(reviewed(customer))
        assert (await d.row()).state == "in_doubt"


async def test_a_batch_that_asks_and_tells_that_it_is_done_asks_nobody(database: str) -> None:
    """Whichever of the two stands first in it."""
    first, then = uuid.uuid4(), uuid.uuid4()
    asked = {one: decision(one, segment="promoter", version=1) for one in (first, then)}
    book = rules({**ASK, "approve_first": 9}, targets=[TARGET])
    async with dispatching(database, book) as d:
        await d.tell(reviewed(first), asked[first], asked[then], reviewed(then))
        assert set(await states(d)) <= {"superseded", "suppressed"}
        assert len(await d.rows()) == 2


async def test_what_is_sent_on_asks_for_nothing_she_has_done_since(database: str) -> None:
    """A platform refused it, she left a review, the mistake is mended: her ask stays out."""
    wrong: dict[str, Any] = {"on": True}
    refusal = Verdict("reject", "no such template")
    carrier = ScriptedCarrier(on_act=lambda _: refusal if wrong["on"] else OK)
    one, two = uuid.uuid4(), uuid.uuid4()
    async with (
        dispatching(database, rules(ASK, targets=[TARGET]), carriers={"sandbox": carrier}) as d,
        client(d) as caller,
    ):
        await d.tell(decision(one, segment="promoter"), decision(two, segment="promoter"))
        await d.run("sandbox")
        wrong["on"] = False
        d.now += timedelta(hours=1)
        await d.tell(reviewed(one))
        body = {"target": "sandbox", "state": ["rejected"]}
        done = await caller.post("/v1/deliveries/redrive", json=body, headers=OPS)
        assert done.json()["changed"] == {"planned": 1, "superseded": 1}
        assert (await d.row(customer_id=one)).reason == "she did it: review_left"
