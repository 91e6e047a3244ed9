"""What each service tells of its part of a trace, on a real PostgreSQL and its log."""

from dataclasses import replace

import httpx
from sqlalchemy.ext.asyncio import AsyncEngine

from services.dispatcher.calls.calls import Verdict
from services.ingest.examples import Answer
from shared.bus.consume import Received
from shared.bus.port import Partition, Record
from shared.events import ids
from shared.events.envelope import DECISIONS, FEEDBACK, Event, decode, encode
from shared.process import Context
from shared.traces.places import Place, span_of, told_in
from shared.traces.requests import TracedRequests
from tests.builders import responses
from tests.builders.buses import take
from tests.builders.carrier import OK, ScriptedCarrier
from tests.builders.decisions import NOW, decision, told
from tests.builders.dispatching import dispatching
from tests.builders.facts import ANNA, BEN, Shelf, answered, handler, received
from tests.builders.ingest import ENVIRON, running_ingest
from tests.builders.lines import written_lines
from tests.builders.traced import Memory, Seen


def named(memory: Memory, name: str) -> list[Seen]:
    """Return the spans of one name."""
    return [span for span in memory.spans() if span.name == name]


def as_told(event: Event, place: Place | None) -> Received:
    """An event as it comes from the bus, told from a place."""
    headers = () if place is None else (place.header(),)
    return Received(Record(Partition(event.topic, 0), 1, "key", encode(event), NOW, headers), event)


async def test_ingest_marks_its_record_with_its_place(database: str) -> None:
    """The record on the log goes on from the span of its publishing, and that from the request."""
    memory = Memory()

    async def traced(context: Context) -> Context:
        return replace(context, traces=memory.traces)

    async with running_ingest(database, wrap=traced) as ingest:
        request = responses.shop(Answer(response_id="r1", score=3, email=ANNA))
        app = TracedRequests(ingest.app, memory.traces, ingest.part.fronts)
        transport = httpx.ASGITransport(app)
        with written_lines("services.ingest.sight") as lines:
            async with httpx.AsyncClient(transport=transport, base_url="http://nps") as client:
                answer = await client.post(
                    request.path, content=request.body, headers=dict(request.headers)
                )
        (record,) = await take(await ingest.bus.subscribe("g", [FEEDBACK]), 1)

    (published,) = named(memory, "publish nps.feedback")
    (first,) = named(memory, "POST /v1/webhooks/{source}")
    place = told_in(record.headers)
    assert place is not None
    assert (f"{place.trace:032x}", f"{place.span:016x}") == (published.trace, published.span)
    assert (published.parent, first.parent) == (first.span, "")
    assert published.trace == first.trace
    data = decode(record.value)
    event_id = answer.json()["event_id"]
    assert published.event_id == first.event_id == event_id == str(data.id)
    assert [line["event_id"] for line in lines] == [event_id]


async def test_several_events_of_one_request_are_each_in_their_own_trace(database: str) -> None:
    """The request links to them."""
    memory = Memory()

    async def traced(context: Context) -> Context:
        return replace(context, traces=memory.traces)

    events = [
        {
            "specversion": "1.0",
            "id": name,
            "source": "crm",
            "type": "customer.updated",
            "data": {"identifiers": {"email": name}, "attributes": {"plan": "gold"}},
        }
        for name in (ANNA, BEN)
    ]
    async with running_ingest(database, wrap=traced) as ingest:
        app = TracedRequests(ingest.app, memory.traces, ingest.part.fronts)
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://nps"
        ) as client:
            headers = {"Authorization": f"Bearer {ENVIRON['TELLER']}"}
            answer = await client.post("/v1/events", json=events, headers=headers)

    one, other = named(memory, "publish nps.feedback")
    (first,) = named(memory, "POST /v1/events")
    assert answer.status_code == 202
    assert len({one.trace, other.trace, first.trace}) == 3
    assert first.links == ((one.trace, one.span), (other.trace, other.span))
    assert ANNA not in str(memory.spans())


async def test_a_publication_that_fails_is_told_as_one(database: str) -> None:
    """With neither bus nor spool the sender hears 503, and the span says so."""
    memory = Memory()

    async def traced(context: Context) -> Context:
        return replace(context, traces=memory.traces)

    async with running_ingest(database, wrap=traced) as ingest:
        await ingest.bus.close()
        refused = await ingest.post(responses.shop(Answer(response_id="r1", score=3, email=ANNA)))

    assert refused.status_code == 503
    assert [span.failed for span in named(memory, "publish nps.feedback")] == [True]


async def test_a_decision_goes_on_from_what_told_its_event(engine: AsyncEngine) -> None:
    """Each event of a batch in the trace that told it; what is published names that place."""
    memory, shelf = Memory(), Shelf()
    anna, ben = answered("r1", 3, email=ANNA), answered("r2", 9, email=BEN)
    place = Place(ids.response_cause("demo", "nps", "r1").int, 7, sampled=True)
    await handler(engine, shelf, traces=memory.traces)([as_told(anna, place), as_told(ben, None)])

    spans = {span.event_id: span for span in named(memory, "decide")}
    hers, his = spans[str(anna.id)], spans[str(ben.id)]
    (batch,) = named(memory, "decide batch")
    assert (hers.trace, hers.parent) == (f"{place.trace:032x}", f"{7:016x}")
    # Nobody told it where it is: the spool keeps no headers, and traces may have been off before.
    assert (his.trace, his.parent) == (ids.response_cause("demo", "nps", "r2").hex, "")
    assert hers.links == his.links == ((batch.trace, batch.span),)
    assert batch.links == ((hers.trace, hers.parent),)
    marked = [told_in(message.headers) for message in shelf.messages if message.topic == DECISIONS]
    assert {f"{one.span:016x}" for one in marked if one is not None} == {hers.span, his.span}
    assert len(marked) == 2


async def test_what_is_not_sampled_goes_on_unsampled(engine: AsyncEngine) -> None:
    """Who began decides: the record says so to the next, and nobody tells a part of it."""
    memory, shelf = Memory(), Shelf()
    place = Place(ids.response_cause("demo", "nps", "r1").int, 7, sampled=False)
    await handler(engine, shelf, traces=memory.traces)([as_told(answered("r1", 3), place)])

    assert memory.spans() == []
    (marked,) = (told_in(m.headers) for m in shelf.messages if m.topic == DECISIONS)
    assert marked is not None
    assert (marked.trace, marked.sampled) == (place.trace, False)


async def test_off_no_record_is_marked(engine: AsyncEngine) -> None:
    """Bytes on the bus are those of before."""
    shelf = Shelf()
    await handler(engine, shelf)(received(answered("r1", 3)))

    assert {message.headers for message in shelf.messages} == {()}


async def test_plan_push_and_attempts_are_in_the_trace_of_the_cause(database: str) -> None:
    """Though pushes and deliveries are rows, sent by whoever claims them."""
    memory = Memory()
    async with dispatching(database, traces=memory.traces) as d:
        made = decision()
        place = Place(made.cause.id.int, 7, sampled=True)
        await d.handler([as_told(told(made), place)])
        await d.run()
        await d.teller.step()
        deliveries = await d.rows()
        marked = [told_in(message.headers) for message in d.bag.messages]

    (planned,) = named(memory, "plan")
    (pushed,) = named(memory, "push")
    attempts, outcomes = named(memory, "act"), named(memory, "publish nps.outcomes")
    assert (planned.trace, planned.parent) == (made.cause.id.hex, f"{7:016x}")
    assert planned.span == f"{span_of(made.decision_id):016x}"
    assert {one.attributes["nps.delivery_id"] for one in attempts} == {
        str(row.id) for row in deliveries
    }
    assert len(outcomes) == len(attempts) == 2
    for span in (pushed, *attempts, *outcomes):
        assert (span.trace, span.parent) == (planned.trace, planned.span), span.name
        assert not span.failed
    assert {f"{one.span:016x}" for one in marked if one is not None} == {s.span for s in outcomes}


async def test_a_decision_told_again_is_not_planned_twice_in_its_trace(database: str) -> None:
    """A redelivery plans nothing, so it has nothing to tell but its batch."""
    memory = Memory()
    async with dispatching(database, traces=memory.traces) as d:
        again = as_told(told(decision()), None)
        await d.handler([again])
        await d.handler([again])

    assert len(named(memory, "plan")) == 1
    assert len(named(memory, "plan batch")) == 2


async def test_what_told_of_an_older_cause_is_linked_to(database: str) -> None:
    """A timer brings an answer up again: its plan is in the answer's trace, the timer's beside."""
    memory = Memory()
    timer = Place(99, 7, sampled=True)
    async with dispatching(database, traces=memory.traces) as d:
        made = decision(triggers=("timer",))
        await d.handler([as_told(told(made), timer)])

    (planned,) = named(memory, "plan")
    assert (planned.trace, planned.parent) == (made.cause.id.hex, "")
    assert (f"{99:032x}", f"{7:016x}") in planned.links


async def test_an_attempt_that_failed_says_so_and_the_next_is_beside_it(database: str) -> None:
    """Both in one trace, whatever time lies between."""
    memory = Memory()
    refusing = ScriptedCarrier(
        "sandbox", on_act=lambda number: Verdict("retry", "503") if number == 1 else OK
    )
    async with dispatching(database, carriers={"sandbox": refusing}, traces=memory.traces) as d:
        await d.tell(decision())
        await d.run()
        d.now = max(row.due for row in await d.rows(target="sandbox"))
        await d.run()

    attempts = [s for s in named(memory, "act") if s.attributes["nps.target"] == "sandbox"]
    assert [(one.attributes["nps.attempt"], one.failed) for one in attempts] == [
        (1, True),
        (2, False),
    ]
    assert len({one.trace for one in attempts}) == 1
