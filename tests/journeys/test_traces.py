"""One webhook is one trace, through three processes and Kafka, up to the platform's answer."""

import json
import uuid
from collections import Counter
from collections.abc import Callable

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from services.ingest.examples import Answer, shop
from tests.builders.system import System
from tests.builders.traced import Collector, Seen
from tests.builders.waiting import eventually

pytestmark = pytest.mark.kafka


async def whole(collector: Collector, event_id: str, *, calls: int = 1) -> list[Seen]:
    """Wait until the trace of an event has come to its end with so many calls; return it."""

    async def told() -> list[Seen]:
        about = collector.about(event_id)
        assert about, "nothing yet"
        spans = collector.of(about[0].trace)
        names = Counter(span.name for span in spans)
        assert min(names["act"], names["publish nps.outcomes"]) >= calls, names
        assert names["push"], names
        # The last thing of all: the outcomes come back to who decides.
        outcomes = {span.span for span in spans if span.name == "publish nps.outcomes"}
        assert {s.parent for s in spans if s.name == "decide"} >= outcomes, names
        return spans

    return await eventually(told, what="the whole trace")


async def test_one_webhook_is_one_trace_up_to_the_platforms_answer(
    system: System, collector: Collector, someone: Callable[[], str]
) -> None:
    """Each span hangs on one of the same trace, in the order of the way, whichever process it is
    of; the trace has the digits of the cause that decisions and deliveries name."""
    email = someone()
    accepted = await system.answer(Answer(response_id=uuid.uuid4().hex, score=3, email=email))
    event_id = accepted.json()["event_id"]
    # Her alert and her message, by the shipped playbook.
    deliveries = await system.settled(email, 2)

    spans = await whole(collector, event_id, calls=2)

    known = {span.span: span for span in spans}
    (first,) = (span for span in spans if not span.parent)
    assert {span.parent for span in spans} <= {"", *known}
    assert (first.name, first.service) == ("POST /v1/webhooks/{source}", "nps-ingest")
    assert {d["cause_id"].replace("-", "") for d in deliveries} == {first.trace}

    def way(span: Seen) -> list[str]:
        above = [] if span is first else way(known[span.parent])
        return [*above, f"{span.service} {span.name}"]

    to_plan = [
        "nps-ingest POST /v1/webhooks/{source}",
        "nps-ingest publish nps.feedback",
        "nps-segmenter decide",
        "nps-dispatcher plan",
    ]
    ways = [way(span) for span in spans if span.kind == "client"]
    assert [*to_plan, "nps-dispatcher act", "nps-dispatcher POST"] in ways
    assert [*to_plan, "nps-dispatcher push", "nps-dispatcher PUT"] in ways
    told = [way(span) for span in spans if span.name == "decide"]
    assert [*to_plan, "nps-dispatcher publish nps.outcomes", "nps-segmenter decide"] in told


async def test_spans_and_log_lines_share_the_event_id(
    system: System, collector: Collector, someone: Callable[[], str]
) -> None:
    """Who has a line of the log finds its span, and the other way round, in every service."""
    accepted = await system.answer(Answer(response_id=uuid.uuid4().hex, score=2, email=someone()))
    spans = await whole(collector, accepted.json()["event_id"])
    lines = [json.loads(line) for line in system.logs().splitlines() if line.startswith("{")]

    named = {line["event_id"] for line in lines if "event_id" in line}
    for name in ("POST /v1/webhooks/{source}", "publish nps.feedback", "decide", "plan", "act"):
        found = {span.event_id for span in spans if span.name == name}
        assert found, name
        assert found <= named, name


async def test_metrics_name_the_event_and_the_trace_of_an_example(
    system: System, collector: Collector, someone: Callable[[], str]
) -> None:
    """From a moment that took long to what took long: by the ids of spans and lines of the log."""
    accepted = await system.answer(Answer(response_id=uuid.uuid4().hex, score=0, email=someone()))
    spans = await whole(collector, accepted.json()["event_id"])
    known = {(span.trace, span.event_id) for span in spans}
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    found: dict[str, set[tuple[str, str]]] = {}
    async with httpx.AsyncClient(headers=accept) as client:
        for process in (system.ingest, system.segmenter, system.dispatcher):
            answer = await client.get(f"{process.url}/metrics")
            assert answer.headers["content-type"].startswith("application/openmetrics-text")
            families = text_string_to_metric_families(answer.text)  # type: ignore[no-untyped-call]
            for family in families:
                for sample in family.samples:
                    if sample.exemplar is not None:
                        labels = sample.exemplar.labels
                        example = (labels["trace_id"], labels["event_id"])
                        found.setdefault(family.name, set()).add(example)

    assert set(found) == {
        "nps_segmenter_answer_to_decision_seconds",
        "nps_segmenter_receipt_to_decision_seconds",
        "nps_dispatcher_answer_to_delivery_seconds",
    }
    for name, examples in found.items():
        assert examples & known, name


async def test_batches_have_traces_of_their_own_and_link_to_what_told_them(
    system: System, collector: Collector, someone: Callable[[], str]
) -> None:
    """One transaction serves many answers: no answer's trace grows by those of others."""
    accepted = await system.answer(Answer(response_id=uuid.uuid4().hex, score=1, email=someone()))
    spans = await whole(collector, accepted.json()["event_id"])
    published = {span.name: (span.trace, span.span) for span in spans}

    event_id = accepted.json()["event_id"]
    (decided,) = (one for one in spans if (one.name, one.event_id) == ("decide", event_id))
    (planned,) = (span for span in spans if span.name == "plan")
    for span, name, told in (
        (decided, "decide batch", published["publish nps.feedback"]),
        (planned, "plan batch", (decided.trace, decided.span)),
    ):
        (batch,) = (one for one in collector.spans if (one.trace, one.span) in span.links)
        assert batch.name == name
        assert batch.trace != span.trace
        assert told in batch.links


async def test_a_refused_webhook_is_told_too(system: System, collector: Collector) -> None:
    """Who looks for an answer that never came finds what became of its request."""
    caller = f"{uuid.uuid4().hex}"
    request = shop(Answer(response_id="forged", score=1), secret="whsec_Zm9yZ2Vk")
    headers = {**request.headers, "traceparent": f"00-{caller}-{caller[:16]}-01"}
    refused = await system.post(type(request)(request.path, headers, request.body))

    async def told() -> list[Seen]:
        return [one for one in collector.spans if (caller, caller[:16]) in one.links]

    found = await eventually(told, what="the span of the request")
    assert refused.status_code == 401
    assert [one.attributes["http.response.status_code"] for one in found] == [401]
