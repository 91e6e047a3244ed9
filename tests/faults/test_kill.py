"""kill -9 of each service: nothing accepted is lost, nothing takes effect twice."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from services.ingest.examples import Answer, shop
from tests.builders.processes import Process
from tests.builders.sink import Sink
from tests.builders.survey_tool import send_all
from tests.builders.system import System
from tests.builders.waiting import eventually

pytestmark = pytest.mark.kafka
YES = {"consent_email": "yes"}
ANSWERS = 2_000


async def test_kill_9_of_each_service_in_the_middle_of_2000_responses_loses_and_doubles_none(
    system: System, sink: Sink
) -> None:
    """Half are detractors (a reassurance and an alert), half passives with consent (a discount)."""
    await system.start()
    emails = [f"{uuid.uuid4().hex}@example.com" for _ in range(ANSWERS)]
    requests = [
        shop(
            Answer(
                response_id=uuid.uuid4().hex,
                score=8 if number % 2 else 3,
                email=email,
                hidden=YES,
            ),
            secret=system.shop_secret,
        )
        for number, email in enumerate(emails)
    ]

    async def restart(process: Process) -> None:
        process.kill()
        await process.start()

    await send_all(
        system.ingest.url,
        requests,
        milestones={
            500: lambda: restart(system.ingest),
            1_000: lambda: restart(system.segmenter),
            1_500: lambda: restart(system.dispatcher),
        },
    )

    async def all_done() -> bool:
        assert len(sink.profiles) == ANSWERS, f"{len(sink.profiles)} profiles"
        assert len(sink.actions) >= ANSWERS * 3 // 2, f"{len(sink.actions)} actions"
        return True

    await eventually(all_done, within=120, what="every effect at the platform")
    got = {email: sorted(a["action"] for a in sink.actions_for(email)) for email in emails[:200]}

    assert set(sink.effects.values()) == {1}
    assert len(sink.actions) == ANSWERS * 3 // 2
    assert all(
        actions == (["discount"] if number % 2 else ["internal_alert", "reassurance"])
        for number, actions in enumerate(got.values())
    )


@pytest.mark.parametrize(
    ("service", "when", "event"),
    [
        pytest.param("segmenter", "before", "timer.due", id="before a timer is published"),
        pytest.param("segmenter", "after", "timer.due", id="between publish and close of a timer"),
        pytest.param("segmenter", "before", "customer.decided", id="between commit and decision"),
        pytest.param("segmenter", "after", "customer.decided", id="between decision and offset"),
        pytest.param("dispatcher", "before", "delivery.settled", id="between commit and outcome"),
        pytest.param("dispatcher", "after", "delivery.settled", id="between outcome and its mark"),
    ],
)
async def test_kill_9_around_a_publish_leaves_one_decision_and_one_outcome(
    system: System, sink: Sink, service: str, when: str, event: str
) -> None:
    """A passive whose contact is on hold for three seconds gets her discount once it has ended."""
    email = f"{uuid.uuid4().hex}@example.com"
    crashing = system.process("tests.faults.crashing", service, when, event, service=service)
    normal = {"segmenter": system.segmenter, "dispatcher": system.dispatcher}
    started = [system.ingest, crashing, *(p for name, p in normal.items() if name != service)]
    for process in started:
        process.spawn()
    await asyncio.gather(*(p.ready() for p in started if p is not crashing))
    until = datetime.now(UTC) + timedelta(seconds=3)
    await system.tell(
        "customer.updated",
        {
            "identifiers": {"email": email},
            "attributes": {"contact_hold_until": until.isoformat()},
        },
    )
    await system.answer(Answer(response_id=uuid.uuid4().hex, score=8, email=email, hidden=YES))
    assert await crashing.ended(within=60) == -9
    await normal[service].start()
    (delivery,) = await system.settled(email, 1)

    async def told() -> int:
        (row,) = await system.rows(
            "SELECT count(*) AS n FROM segmenter.facts WHERE kind = 'delivery.settled'"
            " AND body->>'state' = 'accepted'"
        )
        count: int = row.n
        return count

    assert await eventually(told, what="the outcome at the segmenter") == 1
    versions = await system.rows(
        "SELECT version FROM segmenter.decisions WHERE version IS NOT NULL"
    )
    assert delivery["state"] == "accepted"
    assert len(sink.actions_for(email)) == 1
    assert set(sink.effects.values()) == {1}
    assert len({row.version for row in versions}) == len(versions)
