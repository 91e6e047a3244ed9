"""Nobody is over-solicited: limits, consent and targets are checked when it counts."""

import asyncio
import uuid
from collections.abc import Callable

import httpx
import pytest

from services.ingest.examples import Answer, SignedRequest, shop
from tests.builders.sink import Sink
from tests.builders.system import System
from tests.builders.waiting import eventually

pytestmark = pytest.mark.kafka
YES = {"consent_email": "yes"}


async def test_200_causes_at_once_under_a_limit_of_1_leave_one_contact_and_199_reasons(
    system: System, sink: Sink, someone: Callable[[], str]
) -> None:
    """An import gone wrong at the survey tool must not become 200 mails."""
    email = someone()
    answers = [
        Answer(response_id=uuid.uuid4().hex, score=8, email=email, hidden=YES) for _ in range(200)
    ]
    await asyncio.gather(*(system.answer(answer) for answer in answers))

    async def all_told() -> bool:
        return bool((await system.customer(email))["profile"]["response_count"] == 200)

    await eventually(all_told, within=60, what="200 answers")

    async def decided() -> list[dict[str, object]] | None:
        found = await system.deliveries(email)
        # Several plays answer a passive: each leaves its row for each cause.
        assert len({d["cause_id"] for d in found}) == 200, len(found)
        assert not [d for d in found if d["state"] in ("planned", "sending")]
        # Until the segmenter has told of each of its partitions, all wait: "state is stale".
        assert [d for d in found if d["state"] == "accepted"], {d["reason"] for d in found}
        return found

    deliveries = await eventually(decided, within=60, what="200 deliveries")
    assert deliveries is not None
    sent = [d for d in deliveries if d["state"] == "accepted"]
    held = [d for d in deliveries if d["state"] != "accepted"]

    assert len(sent) == 1
    assert len(sink.actions_for(email)) == 1
    assert len({d["cause_id"] for d in held}) >= 199
    assert all(d["reason"] for d in held)
    # Whoever waits for a free moment is told which; whoever lost to another play is not.
    assert all(d["until"] for d in held if "goes first" not in str(d["reason"])), held


async def test_a_target_that_answers_503_gets_the_push_afterwards_once_and_delays_no_other(
    system: System, sink: Sink, someone: Callable[[], str]
) -> None:
    """One dead platform is its own trouble."""
    email = someone()
    with sink.refusing("main", 503):
        await system.answer(
            Answer(response_id=uuid.uuid4().hex, score=1, email=email, comment="trop cher")
        )

        async def alerted() -> bool:
            return [a["action"] for a in sink.actions_for(email)] == ["internal_alert"]

        async def refused() -> bool:
            return sink.refused[f"main profile {email}"] > 0

        await eventually(alerted, what="the alert at the other target")
        await eventually(refused, what="a refused push")
        assert sink.profile_of(email) == {}
    await system.settled(email, 2)

    assert len(sink.pushes[f"main {email}"]) == 1
    assert sorted(a["action"] for a in sink.actions_for(email)) == ["internal_alert", "reassurance"]


async def test_consent_withdrawn_between_plan_and_send_stops_the_send(
    system: System, sink: Sink, someone: Callable[[], str]
) -> None:
    """The gate is asked again at the moment of sending."""
    email = someone()
    with sink.refusing("main", 503), sink.refusing("unkeyed", 503):
        await system.answer(Answer(response_id=uuid.uuid4().hex, score=8, email=email, hidden=YES))

        async def waiting() -> bool:
            return any(d["state"] == "waiting" for d in await system.deliveries(email))

        await eventually(waiting, what="a delivery that waits")
        await system.tell(
            "survey.opted_out", {"survey": "relational", "identifiers": {"email": email}}
        )

        async def known() -> bool:
            rows = await system.rows(
                "SELECT state FROM dispatcher.recipients WHERE customer_id = :id",
                id=(await system.customers(email))[0]["customer_id"],
            )
            permits = rows[0].state["permits"]
            return not any(p["allowed"] for p in permits if p["contact_class"] == "marketing")

        await eventually(known, what="the dispatcher knows of the opt-out")
    (delivery,) = await system.settled(email, 1)

    assert delivery["state"] == "suppressed"
    assert delivery["reason"] == "no permit for marketing: email: marketing refused on this channel"
    assert sink.actions_for(email) == []


async def test_nobody_is_sold_to_while_a_case_of_hers_is_open(
    system: System, sink: Sink, someone: Callable[[], str]
) -> None:
    """The helpdesk opens it, and closes it by its number alone: then she may hear of offers."""
    email, number = someone(), f"helpdesk/{uuid.uuid4().hex}"
    await system.tell("case.opened", {"case_id": number, "identifiers": {"email": email}})

    async def held() -> bool:
        return bool(await system.customers(email))

    await eventually(held, what="the customer of the case")
    await system.answer(Answer(response_id=uuid.uuid4().hex, score=8, email=email, hidden=YES))
    (refused,) = await system.settled(email, 1)
    assert refused["state"] == "suppressed"
    assert "hold open_case" in refused["reason"]
    assert sink.actions_for(email) == []

    await system.tell("case.resolved", {"case_id": number})

    async def over() -> bool:
        return [case["open"] for case in (await system.customer(email))["cases"]] == [False]

    await eventually(over, what="the case resolved")
    await system.answer(Answer(response_id=uuid.uuid4().hex, score=8, email=email, hidden=YES))
    # Passive again: she is asked what would make it a 9, and the discount is told so.
    await system.settled(email, 3)
    assert len(sink.actions_for(email)) == 1


async def test_a_forged_webhook_leaves_no_trace(system: System, someone: Callable[[], str]) -> None:
    """Whoever does not know the secret cannot write a byte, nor learn whether a source exists."""
    email = someone()
    right = shop(
        Answer(response_id=uuid.uuid4().hex, score=1, email=email), secret="whsec_Zm9yZ2Vk"
    )
    unknown = SignedRequest("/v1/webhooks/nobody", right.headers, right.body)
    before = await offsets(system)
    forged, nowhere = await system.post(right), await system.post(unknown)

    assert (forged.status_code, nowhere.status_code) == (401, 401)
    assert forged.content == nowhere.content
    assert await offsets(system) == before
    assert await system.customers(email) == []
    assert email not in system.logs()


async def offsets(system: System) -> int:
    """Count what ingest stored beside the bus."""
    (row,) = await system.rows("SELECT count(*) AS n FROM ingest.quarantine")
    count: int = row.n
    return count


async def test_two_replicas_of_each_service_share_the_work(
    system: System, sink: Sink, someone: Callable[[], str]
) -> None:
    """A second process of each joins, takes part, and leaves; every answer is worked once."""
    more = [system.process(f"services.{name}") for name in ("ingest", "segmenter", "dispatcher")]
    for process in more:
        process.spawn()
    await asyncio.gather(*(process.ready() for process in more))
    emails: list[str] = []

    async def both_took_part() -> bool:
        # A process is ready before its group has shared the partitions out anew: some come later.
        said = [someone() for _ in range(30)]
        for number, email in enumerate(said):
            request = shop(
                Answer(response_id=uuid.uuid4().hex, score=2, email=email),
                secret=system.shop_secret,
            )
            response = await system.post(request, to=more[0] if number % 2 else None)
            assert response.status_code == 202
        for email in said:
            await system.settled(email, 2)
        emails.extend(said)
        return all([await handled_by(one.url) > 0 for one in (system.segmenter, more[1])])

    await eventually(both_took_part, within=120)
    codes = await asyncio.gather(*(process.stop() for process in more))

    assert all(len(sink.actions_for(email)) == 2 for email in emails)
    assert codes == [0, 0, 0]


async def handled_by(url: str) -> float:
    """Sum what one segmenter process says that it decided."""
    async with httpx.AsyncClient() as client:
        metrics = (await client.get(f"{url}/metrics")).text
    return sum(
        float(line.rpartition(" ")[2])
        for line in metrics.splitlines()
        if line.startswith("nps_segmenter_decisions_total")
    )
