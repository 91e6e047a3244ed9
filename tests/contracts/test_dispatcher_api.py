"""What operators see and do with deliveries, over HTTP, and what platforms report of them."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from services.dispatcher.calls.calls import Idempotency, Verdict
from shared.events.envelope import DECISIONS, OUTCOMES, TYPES, Event
from shared.events.ids import name_id
from shared.events.outcomes import (
    ActionCompleted,
    MessageDelivered,
    MessageOpened,
    MessageReport,
    MessageSent,
)
from shared.events.vocabulary import Identifier
from tests.builders.carrier import OK, ScriptedCarrier
from tests.builders.decisions import NOW, decision, later
from tests.builders.dispatcher_api import OPS, VIEWER, client
from tests.builders.dispatching import Dispatching, dispatching, play, rules
from tests.contracts.test_events import EXAMPLES, event


@asynccontextmanager
async def in_doubt(database: str) -> AsyncIterator[tuple[Dispatching, str]]:
    """A delivery that may or may not have happened."""
    carrier = ScriptedCarrier(
        action_idempotency=Idempotency("none"),
        on_act=lambda number: Verdict("in_doubt", "no answer") if number == 1 else OK,
    )
    book = rules(play("thanks", "promoter", "invite"))
    async with dispatching(database, book, carriers={"sandbox": carrier}) as d:
        await d.tell(decision(segment="promoter"))
        await d.run()
        row = await d.row()
        assert row.state == "in_doubt"
        yield d, str(row.id)


@pytest.mark.parametrize(
    ("outcome", "state", "calls"),
    [
        pytest.param("sent", "accepted", 1, id="sent"),
        pytest.param("again", "accepted", 2, id="again"),
    ],
)
async def test_a_doubt_is_settled_by_a_person(
    database: str, outcome: str, state: str, calls: int
) -> None:
    """`sent` accepts it as it is, `again` sends it once more; who said so is kept."""
    async with in_doubt(database) as (d, delivery), client(d) as caller:
        answer = await caller.post(
            f"/v1/deliveries/{delivery}/settle", json={"outcome": outcome}, headers=OPS
        )
        assert answer.status_code == 200, answer.text
        assert answer.json()["changes"][-1]["by"] == "ops"
        d.now = later(seconds=1)
        await d.run()
        assert (await d.row()).state == state
        assert len(d.carriers["sandbox"].actions) == calls
        again = await caller.post(
            f"/v1/deliveries/{delivery}/settle", json={"outcome": outcome}, headers=OPS
        )
        assert again.status_code == 409


async def test_settling_needs_the_scope_and_a_known_delivery(database: str) -> None:
    """Reading is not operating; an unknown id is 404; another word than sent or again is 422."""
    async with in_doubt(database) as (d, delivery), client(d) as caller:
        url = f"/v1/deliveries/{delivery}/settle"
        body = {"outcome": "sent"}
        assert (await caller.post(url, json=body)).status_code == 401
        assert (await caller.post(url, json=body, headers=VIEWER)).status_code == 403
        unknown = f"/v1/deliveries/{uuid.uuid4()}/settle"
        assert (await caller.post(unknown, json=body, headers=OPS)).status_code == 404
        assert (await caller.post(url, json={"outcome": "maybe"}, headers=OPS)).status_code == 422
        assert (await d.row()).state == "in_doubt"


async def test_deliveries_are_listed_with_reasons_by_filter_and_page(database: str) -> None:
    """Newest first, page by page; each filter narrows; an unknown filter is refused."""
    async with dispatching(database) as d, client(d) as caller:
        customer = uuid.uuid4()
        await d.tell(decision(customer))
        d.now = later(minutes=1)
        await d.tell(decision(segment="promoter"), decision(segment="promoter"))
        await d.run("alerts")

        async def plays(**parameters: str) -> list[str]:
            answer = await caller.get("/v1/deliveries", params=parameters, headers=VIEWER)
            assert answer.status_code == 200, answer.text
            return [found["play"] for found in answer.json()["deliveries"]]

        assert sorted(await plays()) == ["alert", "sorry", "thanks", "thanks"]
        assert sorted(await plays(customer_id=str(customer))) == ["alert", "sorry"]
        assert await plays(state="accepted") == ["alert"]
        assert await plays(target="sandbox", play="sorry") == ["sorry"]
        cause = str(decision(customer).cause.id)
        assert sorted(await plays(cause=cause)) == ["alert", "sorry"]
        first = (await caller.get("/v1/deliveries?limit=3", headers=VIEWER)).json()
        rest = await caller.get(f"/v1/deliveries?after={first['next']}", headers=VIEWER)
        seen = [f["id"] for f in first["deliveries"]] + [f["id"] for f in rest.json()["deliveries"]]
        assert len(set(seen)) == len(seen) == 4
        assert rest.json()["next"] is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("email", "someone", id="no-such-filter"),
        pytest.param("state", "lost", id="no-such-state"),
        pytest.param("customer_id", "42", id="no-id"),
        pytest.param("cause", "", id="empty"),
        pytest.param("play", "a\0b", id="no-name-of-a-play"),
        pytest.param("target", "x" * 65, id="no-name-of-a-target"),
        pytest.param("limit", "0", id="a-page-of-none"),
        pytest.param("limit", "1001", id="a-page-too-long"),
        pytest.param("after", str(uuid.UUID(int=5)), id="a-page-that-is-not-there"),
    ],
)
async def test_a_filter_that_cannot_be_meant_is_refused_by_its_name(
    database: str, name: str, value: str
) -> None:
    """A problem names the filter and not what was sent, which may be personal."""
    async with dispatching(database) as d, client(d) as caller:
        answer = await caller.get("/v1/deliveries", params={name: value}, headers=VIEWER)
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"
        assert name in answer.json()["detail"]
        assert not value or len(value) < 3 or value not in answer.text


async def test_one_delivery_is_shown_with_its_changes_and_nothing_personal(database: str) -> None:
    """Reason, attempts, times and every change; no address."""
    async with dispatching(database) as d, client(d) as caller:
        await d.tell(decision(address="canary@example.com"))
        await d.run()
        row = await d.row(play="sorry")
        answer = await caller.get(f"/v1/deliveries/{row.id}", headers=VIEWER)
        assert [c["state"] for c in answer.json()["changes"]] == ["planned", "sending", "accepted"]
        assert answer.json()["delivery"]["attempts"] == 1
        assert "canary" not in answer.text
        unknown = await caller.get(f"/v1/deliveries/{uuid.uuid4()}", headers=VIEWER)
        assert unknown.status_code == 404


def _report(kind: type[MessageReport], delivery: str | None) -> Event:
    identifiers = () if delivery else (Identifier(kind="email", value="x@example.com"),)
    data = kind(
        identifiers=identifiers,
        delivery_id=uuid.UUID(delivery) if delivery else None,
        channel="email",
        occurred_at=NOW,
    )
    return Event(name_id(kind.__name__, delivery), "tests", NOW, data)


async def test_a_platforms_report_settles_a_doubt(database: str) -> None:
    """In doubt, and then the platform says it was sent: it was."""
    async with in_doubt(database) as (d, delivery):
        await d.tell(_report(MessageSent, delivery))
        row = await d.row()
        assert (row.state, row.message) == ("accepted", "sent")


async def test_a_platforms_report_ends_the_repeats(database: str) -> None:
    """Unanswered and about to be repeated, and then the platform says it was sent: it was."""
    carrier = ScriptedCarrier(on_act=lambda _: Verdict("in_doubt", "no answer"))
    book = rules(play("thanks", "promoter", "invite"))
    async with dispatching(database, book, carriers={"sandbox": carrier}) as d:
        await d.tell(decision(segment="promoter"))
        await d.run()
        row = await d.row()
        assert row.state == "waiting"
        await d.tell(_report(MessageSent, str(row.id)))
        d.now = later(hours=1)
        await d.run()
        assert (await d.row()).state == "accepted"
        assert len(carrier.actions) == 1


async def test_what_she_did_upon_it_settles_a_doubt(database: str) -> None:
    """Who left the review was asked for it; what became of the message itself stays unknown."""
    async with in_doubt(database) as (d, delivery):
        done = ActionCompleted(what="review_left", delivery_id=uuid.UUID(delivery), occurred_at=NOW)
        told = Event(id=uuid.uuid4(), source="reviews", time=NOW, data=done)
        await d.tell(told, told)
        assert ((await d.row()).state, (await d.row()).message) == ("accepted", "none")
        await d.run()
        assert len(d.carriers["sandbox"].actions) == 1


async def test_what_was_done_upon_nothing_of_ours_changes_nothing(database: str) -> None:
    """An order without a delivery of ours is the segmenter's business."""
    async with in_doubt(database) as (d, _):
        someone = Identifier(kind="email", value="x@example.com")
        done = ActionCompleted(what="purchase", identifiers=(someone,), occurred_at=NOW)
        await d.tell(Event(id=uuid.uuid4(), source="shop", time=NOW, data=done))
        assert (await d.row()).state == "in_doubt"


async def test_every_type_of_its_topics_is_taken(database: str) -> None:
    """None stops it, also told twice; of all of them only the decision makes a recipient."""
    told = [event(data) for data in EXAMPLES if TYPES[data.TYPE][1] in (DECISIONS, OUTCOMES)]
    async with dispatching(database, rules(play("never", "passive", "never"))) as d:
        await d.tell(*told, *told)
        versions = await d.scalars("SELECT version FROM recipients WHERE version > 0")
        assert (versions, await d.rows()) == ([7], [])


async def test_reports_in_any_order_end_at_the_furthest_stage(database: str) -> None:
    """`opened` before `sent` stays opened; others' messages, and unknown ones, change nothing."""
    async with in_doubt(database) as (d, delivery):
        await d.tell(_report(MessageOpened, delivery), _report(MessageSent, delivery))
        await d.tell(_report(MessageSent, delivery), _report(MessageSent, None))
        await d.tell(_report(MessageOpened, str(uuid.uuid4())))
        assert (await d.row()).message == "opened"


async def test_every_stage_of_a_message_is_in_its_history_with_its_times(database: str) -> None:
    """Beside the changes of state: when we heard of it, when it happened, and how it was heard."""
    async with in_doubt(database) as (d, delivery), client(d) as caller:
        url = f"/v1/deliveries/{delivery}"
        before = (await caller.get(url, headers=VIEWER)).json()["changes"]
        assert {one["message"] for one in before} == {None}
        d.now = later(hours=1)
        await d.tell(_report(MessageSent, delivery))
        d.now = later(hours=2)
        for _ in range(2):
            await d.tell(_report(MessageOpened, delivery), _report(MessageDelivered, delivery))
        after = (await caller.get(url, headers=VIEWER)).json()["changes"]
        new = after[len(before) :]
        assert after[: len(before)] == before
        assert [(one["state"], one["message"], one["by"]) for one in new] == [
            ("in_doubt", "sent", "report"),
            ("accepted", None, "report"),
            ("accepted", "delivered", "report"),
            ("accepted", "opened", "report"),
        ]
        told = [one for one in new if one["message"]]
        assert [one["at"][:16] for one in told] == [
            "2026-03-12T10:00", "2026-03-12T11:00", "2026-03-12T11:00",
        ]  # fmt: skip
        assert {one["occurred_at"] for one in told} == {"2026-03-12T09:00:00Z"}
        assert told[0]["reason"] == "the platform told it: message sent"
        assert (await d.row()).change == len(before) + 1, "a report takes no call from its lane"
