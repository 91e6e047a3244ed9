"""Every shape that a message may come in, by the YAML of a source alone; and what is kept of it."""

import gzip
import zlib
from collections.abc import AsyncIterator
from urllib.parse import urlencode

import orjson
import pytest

from shared.events.feedback import ResponseReceived
from shared.identifiers import AS_SAID, route
from tests.builders.ingest import ENVIRON
from tests.builders.sources import NEWEST, Sources, running_sources

READS = "survey: survey, response_id: id, identifiers: {email: email}, answers: {score: score}"
SOURCES = f"""
body_bytes: 65536
sources:
  array: {{unsigned: true, {READS}, ignore: [{{from: test, is: [true]}}]}}
  each:
    {{unsigned: true, each: data.items, survey: "root:data.survey", response_id: id,
     answers: {{score: score}}, ignore: [{{from: ping, is: [true]}}]}}
  cloud:
    {{unsigned: true, decoder: cloudevents, survey: [data.survey, subject], response_id: id,
     answered_at: time, answers: {{score: data.score, comment: data.comment}}}}
  parts:
    {{unsigned: true, decoder: multipart, json_in: [rawRequest], survey: formID,
     response_id: submissionID,
     answers: {{score: rawRequest.q3_score, comment: rawRequest.q4_why}}}}
  form:
    {{unsigned: true, decoder: form, json_in: [payload], survey: form, response_id: id,
     identifiers: {{email: "who.email"}},
     answers: {{score: payload.score, reasons: why}}, attributes: {{first: "rows[n=1].v"}}}}
  any: {{unsigned: true, decoder: auto, {READS}}}
  kept:
    {{verify: {{kind: token, query: key}}, secrets: [SECRETS/newest], survey: "query:survey",
     response_id: "header:X-Response-Id", answers: {{score: score}}, identifiers: {{email: email}}}}
  mixed-kinds:
    {{unsigned: true, {READS}, answered_at: at,
     kinds: [{{when: {{from: type, is: [answer]}}}},
             {{when: {{from: type, is: [bounce]}}, becomes: message_bounced,
              channel: {{constant: email}}}}]}}
"""


@pytest.fixture(scope="module")
async def sources(
    server: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Sources]:
    """One ingest with all of them."""
    folder = tmp_path_factory.mktemp("shapes")
    async with running_sources(server, template, folder, SOURCES) as running:
        yield running


def said(number: int, **more: object) -> dict[str, object]:
    """One message."""
    return {"survey": "s", "id": f"R-{number}", "score": number, **more}


async def test_a_batch_of_mixed_fates_is_one_answer_that_tells_each(sources: Sources) -> None:
    """Accepted, ignored, kept aside with their places: no message takes another down."""
    batch = [said(1), said(2, test=True), said(3, score=11), said(4), 7, said(5, id=None)]
    answer = await sources.post("array", batch)
    told = answer.json()
    assert (answer.status_code, told["status"]) == (202, "quarantined")
    assert (len(told["event_ids"]), told["fetching"]) == (2, 0)
    assert (told["ignored"], told["quarantined"]) == (1, 3)
    found = [event.data for event in await sources.events("array")]
    assert [one.response_id for one in found if isinstance(one, ResponseReceived)] == ["R-1", "R-4"]
    ((row_id, places, path, body),) = await sources.aside("array", "id::text, places, path, body")
    assert (row_id, places, path) == (told["quarantine_id"], [2, 4, 5], "score")
    assert body == orjson.dumps(batch)
    assert sources.ingest.metric("nps_ingest_quarantined_total", source="array") == 3
    again = await sources.post("array", batch)
    assert again.json() == told
    assert len(await sources.aside("array", "1")) == 1


async def test_the_list_at_each_is_a_batch_and_its_elements_see_the_whole(sources: Sources) -> None:
    """`root:` reads what stands beside the list; a message without the list stands for itself."""
    elements = [{"id": "A", "score": 1}, {"id": "B", "score": 2}]
    answer = await sources.post("each", {"data": {"survey": "S", "items": elements}})
    assert answer.json()["status"] == "accepted"
    found = [event.data for event in await sources.events("each")]
    assert [
        (one.survey, one.response_id) for one in found if isinstance(one, ResponseReceived)
    ] == [
        ("S", "A"),
        ("S", "B"),
    ]
    assert (await sources.post("each", {"ping": True})).json()["status"] == "ignored"
    empty = await sources.post("each", {"data": {"survey": "S", "items": []}})
    assert empty.status_code == 400


@pytest.mark.parametrize("size", [0, 501])
async def test_a_batch_of_none_or_of_too_many_is_400(sources: Sources, size: int) -> None:
    """It is taken whole or not at all."""
    answer = await sources.post("any", [{"survey": "s"}] * size)
    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:nps:problem:undecodable"
    assert await sources.aside("any", "1") == []


async def test_cloudevents_come_structured_binary_and_in_batches(sources: Sources) -> None:
    """One shape for all three: the same event is the same event however it was packed."""
    at, head = "2026-11-20T10:00:00Z", {"specversion": "1.0", "source": "/tool", "type": "answered"}
    data = {"score": 4, "comment": "slow"}
    whole = {**head, "id": "E-1", "time": at, "subject": "s", "data": data}
    structured = await sources.post(
        "cloud", whole, {"Content-Type": "application/cloudevents+json"}
    )
    binary = await sources.post(
        "cloud",
        data,
        {"Content-Type": "application/json", "ce-id": "E-1", "ce-time": at, "ce-subject": "s"}
        | {f"ce-{name}": value for name, value in head.items()},
    )
    batch = await sources.post(
        "cloud",
        [whole, {**whole, "id": "E-2"}],
        {"Content-Type": "application/cloudevents-batch+json"},
    )
    assert structured.status_code == 202, structured.text
    event_id = structured.json()["event_id"]
    assert binary.json() == structured.json()
    assert batch.json()["event_ids"][0] == event_id
    assert len(set(batch.json()["event_ids"])) == 2
    (first, *_) = await sources.events("cloud")
    assert isinstance(first.data, ResponseReceived)
    assert (first.data.response_id, first.data.answers) == ("E-1", {"score": 4, "comment": "slow"})


async def test_a_multipart_form_with_json_in_a_field(sources: Sources) -> None:
    """As Jotform and its like send: fields, a file (whose content is dropped), JSON in a text."""
    raw = orjson.dumps({"q3_score": "8", "q4_why": "fast"})
    fields = {"formID": b"F1", "submissionID": b"77", "rawRequest": raw}
    parts = [
        b'--cut\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % (name.encode(), text)
        for name, text in fields.items()
    ]
    photo = b'--cut\r\nContent-Disposition: form-data; name="p"; filename="a.png"\r\n\r\n\x89\r\n'
    body = b"".join([*parts, photo, b"--cut--\r\n"])
    data = await sources.answered("parts", body, Content_Type="multipart/form-data; boundary=cut")
    assert (data.survey, data.response_id) == ("F1", "77")
    assert data.answers == {"score": 8, "comment": "fast"}
    without = await sources.post("parts", body, {"Content-Type": "multipart/form-data"})
    assert without.status_code == 400


async def test_a_form_with_bracketed_and_repeated_keys_and_json_in_a_field(
    sources: Sources,
) -> None:
    """Flat keys, nested keys, lists."""
    fields = [
        ("form", "f"), ("id", "R-1"), ("who[email]", "a@example.com"), ("why[]", "price"),
        ("why[]", "time"), ("payload", '{"score": 3}'), ("rows[0][n]", "1"), ("rows[0][v]", "x"),
    ]  # fmt: skip
    data = await sources.answered("form", urlencode(fields).encode())
    assert data.answers == {"score": 3, "reasons": ["price", "time"]}
    assert {i.kind: i.value for i in data.identifiers}["email"] == "a@example.com"


async def test_a_packed_body_is_unpacked_within_the_limit(sources: Sources) -> None:
    """gzip and deflate; a bomb, a torn stream and an unknown packing are 400 and leave nothing."""
    body = orjson.dumps(said(6))
    data = await sources.answered("any", gzip.compress(body), Content_Encoding="gzip")
    assert data.answers == {"score": 6}
    deflated = await sources.accepted("any", zlib.compress(body), Content_Encoding="deflate")
    assert deflated.data.TYPE == ResponseReceived.TYPE
    before = len(await sources.events("any"))
    for content, packing in [
        (gzip.compress(b"[" + b" " * 10_000_000 + b"]"), "gzip"),
        (gzip.compress(body)[:-9], "gzip"),
        (body, "gzip"),
        (body, "br"),
    ]:
        answer = await sources.post("any", content, {"Content-Encoding": packing})
        assert answer.status_code == 400, packing
    assert len(await sources.events("any")) == before


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b'{"survey":"s","id":"R-7","score":7}', "application/vnd.tool+json; charset=utf-8"),
        (b"survey=s&id=R-7&score=7", "application/x-www-form-urlencoded"),
        (b'\xef\xbb\xbf{"survey":"s","id":"R-7","score":7}', "text/plain"),
    ],
)
async def test_a_source_may_take_what_the_content_type_says(
    sources: Sources, content: bytes, media_type: str
) -> None:
    """Any +json, a form, and JSON under a wrong name."""
    data = await sources.answered("any", content, Content_Type=media_type)
    assert (data.response_id, data.answers) == ("R-7", {"score": 7})


async def test_of_a_request_only_what_is_read_is_kept_and_no_secret(sources: Sources) -> None:
    """The body and the row set aside: which headers, whose, the token struck out of the query."""
    path = f"kept?survey=s&key={NEWEST}"
    headers = {"X-Response-Id": "R-1", "Cookie": "session=1", "User-Agent": "tool/1"}
    person = {"email": "Camille@example.com", "note": f"our key is {NEWEST}"}
    good = await sources.post(path, {**person, "score": 9}, headers)
    wrong = await sources.post(path, {**person, "score": 99}, headers)
    assert (good.json()["status"], wrong.json()["status"]) == ("accepted", "quarantined")
    await sources.ingest.settled()
    columns = "headers, query, people, body, mapping"
    (kept,) = await sources.ingest.rows(
        f"SELECT {columns} FROM ingest.bodies WHERE source = 'kept'"
    )
    (aside,) = await sources.aside("kept", columns)
    whom = AS_SAID.email("camille@example.com")
    assert whom is not None
    for shown, query, people, body, mapping in (kept, aside):
        assert isinstance(shown, dict)
        assert {k: v for k, v in shown.items() if k != "content-type"} == {"x-response-id": "R-1"}
        assert query == "survey=s&key=***"
        assert isinstance(people, list)
        assert route(ENVIRON["NPS_ROUTE_SECRET"].encode(), [whom]) in people
        assert isinstance(body, bytes)
        assert NEWEST.encode() not in body
        assert b"our key is ***" in body
        known = await sources.ingest.rows(
            f"SELECT source FROM ingest.mappings WHERE version = '{mapping}'"
        )
        assert known == [("kept",)]


async def test_messages_of_several_kinds_may_come_in_one_batch(sources: Sources) -> None:
    """Each becomes its own event, on its own topic."""
    at = "2026-11-20T10:00:00Z"
    answer = await sources.post(
        "mixed-kinds",
        [
            {**said(1), "type": "answer", "at": at},
            {"type": "bounce", "email": "b@example.com", "at": at},
            {"type": "other"},
        ],
    )
    told = answer.json()
    assert (len(told["event_ids"]), told["ignored"]) == (2, 1)
    found = {event.data.TYPE: event.topic for event in await sources.events("mixed-kinds")}
    assert found == {
        "survey.response.received": "nps.feedback",
        "message.bounced": "nps.outcomes",
    }
