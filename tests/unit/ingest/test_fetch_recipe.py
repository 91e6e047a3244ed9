"""A source's `fetch` is checked whole at the start, and what it reads becomes the usual event."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.catalogue import decoder_of, laid_over_preset
from services.ingest.decode.decoders import Undecodable
from services.ingest.fetch import fetched
from services.ingest.fetch.recipe import Recipe, compile_recipe
from services.ingest.mapper.compiler import compile_mapping
from services.ingest.mapper.needs import MappingErrors
from services.ingest.receive.inbound import Inbound
from services.ingest.settings import SourceEntry
from services.ingest.told import Ignored, Thin, Translated, Unmappable
from services.ingest.translate import happened, named, translate
from shared.events.feedback import ResponseReceived
from shared.settings import Secrets

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SECRETS = Secrets({"TOKEN": "made-up token", "ODD": "täglich"})
#: A platform that appears nowhere else: ids only, and an API of its own.
PINE = """
becomes: thin
survey: form
response_id: entry
variables: {shop: shop.code}
unsigned: true
fetch:
  url: https://api.pine.example/{shop}/forms/{survey}/entries/{response_id}
  headers: {X-Key: "{secret}"}
  secret: env:TOKEN
  item: data.entry
  reads:
    answered_at: [sent, "root:occurred_at"]
    identifiers: {email: who.mail}
    answers: {score: marks.nps, shop: "root:shop"}
  ignore: [{from: test, is: [true], reason: survey preview}]
"""
ASKED = Thin("F1", "E1", datetime(2026, 11, 22, 11, tzinfo=UTC), {"shop": "paris"})


def entry(text: str, **changes: Any) -> SourceEntry:
    """Read an entry; `changes` replace keys of its `fetch` (None takes one away)."""
    content = yaml.safe_load(text)
    content["fetch"] = {
        key: value for key, value in {**content["fetch"], **changes}.items() if value is not None
    }
    return laid_over_preset(SourceEntry.model_validate(content))


def compiled(text: str = PINE, **changes: Any) -> Recipe:
    """Compile it."""
    recipe = compile_recipe("pine", entry(text, **changes), SECRETS, version="v1")
    assert recipe is not None
    return recipe


def read(document: object, recipe: Recipe | None = None) -> object:
    """Map what the API answers for the message above."""
    recipe = recipe or compiled()
    body = orjson.dumps({"data": {"entry": document}})
    return fetched.outcome(
        recipe.mapping, fetched.read_one(recipe, body, fetched.asked_of(ASKED)), NOW
    )


def test_a_platform_of_ids_only_is_read_by_yaml_alone() -> None:
    """Ids are those of the message, fields those of the document, `root:` what was asked for."""
    found = read({"marks": {"nps": 0}, "who": {"mail": "Jo@Example.com"}})
    assert isinstance(found, Translated)
    data = found.told.event.data
    assert isinstance(data, ResponseReceived)
    assert (data.survey, data.response_id) == ("F1", "E1")
    assert data.answers == {"score": 0, "shop": "paris"}
    assert data.answered_at == datetime(2026, 11, 22, 11, tzinfo=UTC)
    assert {i.value for i in data.identifiers} == {"jo@example.com", "pine/F1/E1"}


def test_the_document_may_name_the_response_itself() -> None:
    """Where `reads` says so, its ids count."""
    reads = {"response_id": "uid", "answers": {"score": "nps"}}
    found = read({"uid": "U-7", "nps": 9}, compiled(reads=reads))
    assert isinstance(found, Translated)
    assert found.told.event.data.model_dump()["response_id"] == "U-7"


def test_when_it_was_fetched_makes_no_other_event() -> None:
    """The identity comes from the response, never from the fetch."""
    recipe = compiled(reads={"answers": {"score": "nps"}})
    body = orjson.dumps({"data": {"entry": {"nps": 9}}})
    document = fetched.read_one(recipe, body, fetched.asked_of(ASKED))
    found = [fetched.outcome(recipe.mapping, document, at) for at in (NOW, NOW.replace(hour=20))]
    ids = {one.told.event.id for one in found if isinstance(one, Translated)}
    assert len(ids) == 1


def test_what_does_not_count_is_ignored_and_what_fails_names_its_path() -> None:
    """As with any message."""
    assert read({"test": True}) == Ignored("survey preview")
    assert read({"marks": {"nps": 11}}) == Unmappable(
        "marks.nps", "score: outside 0 to 10; another scale must not be taken for NPS"
    )


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b'{"data": null}', b'{"data": {"entry": null}}', b"[" * 100_000],
)
def test_an_answer_without_the_document_is_undecodable(body: bytes) -> None:
    """Nothing else is ever raised."""
    with pytest.raises(Undecodable):
        fetched.read_one(compiled(), body, fetched.asked_of(ASKED))


def test_a_page_holds_documents_and_where_the_next_one_is() -> None:
    """A page without a list is none."""
    recipe = compiled(
        PINE,
        reads={"response_id": "uid", "answers": {"score": "nps"}},
        bulk={"url": "https://api.pine.example/{survey}?a={since}", "items": "all", "next": "more"},
    )
    assert recipe.many is not None
    body = orjson.dumps({"all": [{"uid": "U1"}, {"uid": None}, 7], "more": "/x"})
    documents, following = fetched.read_page(recipe.many, body, "F1")
    ids = [fetched.response_id(recipe.many.mapping, one) for one in documents]
    assert (ids, following) == (["U1", None, None], "/x")
    with pytest.raises(Undecodable):
        fetched.read_page(recipe.many, b'{"all": {}}', "F1")
    with pytest.raises(Undecodable):
        fetched.read_page(recipe.many, orjson.dumps({"all": [0] * 1001}), "F1")


def test_what_is_kept_can_be_fetched_and_mapped_again() -> None:
    """The message and, where there is one, the document; nothing else is taken for them."""
    body = fetched.kept(fetched.asked_of(ASKED), {"marks": {"nps": 9}})
    assert fetched.thin_of(body) == ASKED
    document = fetched.document_of(body)
    assert document is not None
    assert isinstance(fetched.outcome(compiled().mapping, document, NOW), Translated)
    assert fetched.document_of(fetched.kept(fetched.asked_of(ASKED))) is None
    for other in (b"", b"[]", b"{}", b'{"asked": 1}', b'{"asked": {"survey": "F1"}}'):
        assert fetched.thin_of(other) is None
        assert fetched.document_of(other) is None


def test_headers_hold_the_secret_and_show_it_to_nobody() -> None:
    """Not in what is printed; and it is struck out of what is kept."""
    recipe = compiled()
    assert recipe.headers == {"X-Key": "made-up token"}
    assert recipe.secrets == (b"made-up token",)
    assert "made-up" not in repr(recipe)


@pytest.mark.parametrize(
    ("changes", "at", "fix"),
    [
        pytest.param({"url": None}, "fetch.url", "missing", id="no address"),
        pytest.param({"url": "/a/{survey}"}, "fetch.base", "missing", id="a path alone"),
        pytest.param({"url": "http://a.example/{survey}"}, "fetch.url", "https", id="not https"),
        pytest.param(
            {"url": "https://a.example/{forme}"}, "fetch.url", "unknown {forme}", id="name"
        ),
        pytest.param({"secret": None}, "fetch.secret", "missing", id="no secret"),
        pytest.param({"headers": None}, "fetch.headers", "nowhere", id="secret unused"),
        pytest.param({"secret": "env:NONE"}, "fetch.secret", "not set", id="secret not set"),
        pytest.param({"secret": "env:ODD"}, "fetch.secret", "header", id="secret not ASCII"),
        pytest.param(
            {"bulk": {"url": "https://b.example/{survey}", "items": "x"}},
            "fetch.bulk.url",
            "same host",
            id="pages elsewhere",
        ),
        pytest.param(
            {"bulk": {"url": "https://api.pine.example/{response_id}", "items": "x"}},
            "fetch.bulk.url",
            "unknown {response_id}",
            id="many by one id",
        ),
        pytest.param(
            {"bulk": {"url": "https://api.pine.example/{survey}", "items": "x"}},
            "fetch.reads",
            "response_id",
            id="many without ids",
        ),
        pytest.param({"reads": {}}, "fetch.reads.answers", "missing", id="no score"),
    ],
)
def test_a_wrong_fetch_says_what_to_do(changes: dict[str, Any], at: str, fix: str) -> None:
    """At the start, by key; the secret's text is in none of it."""
    with pytest.raises(MappingErrors) as caught:
        compiled(**changes)
    (problem,) = caught.value.problems
    assert ".".join(map(str, problem[0])) == at
    assert fix in problem[1]


def test_a_thin_source_needs_a_fetch_and_reconciling_a_way_to_read_many() -> None:
    """Else messages would wait for nobody."""
    alone = SourceEntry.model_validate(
        {"becomes": "thin", "survey": "a", "response_id": "b", "unsigned": True}
    )
    with pytest.raises(MappingErrors, match="must be read somewhere"):
        compile_recipe("pine", alone, SECRETS, version="v1")
    reconciling = entry(PINE).model_copy(
        update={"reconcile": SourceEntry.model_validate({"reconcile": {}}).reconcile}
    )
    with pytest.raises(MappingErrors, match=r"needs `fetch\.bulk`"):
        compile_recipe("pine", reconciling, SECRETS, version="v1")
    assert compile_recipe("other", SourceEntry(), SECRETS, version="v1") is None


def test_a_source_of_whole_messages_may_be_reconciled() -> None:
    """It says how many are read, and nothing of one."""
    text = """
survey: form
response_id: uid
answers: {score: nps}
identifiers: {email: mail}
unsigned: true
fetch:
  reads: {response_id: uid}
  bulk: {url: "https://api.pine.example/forms/{survey}?from={since_ms}", items: entries}
"""
    recipe = compiled(text)
    assert (recipe.one, recipe.host) == (None, "api.pine.example")
    assert recipe.many is not None
    body = orjson.dumps({"entries": [{"uid": "U1", "nps": 9}]})
    (document,), _ = fetched.read_page(recipe.many, body, "F1")
    found = fetched.outcome(recipe.many.mapping, document, NOW)
    assert isinstance(found, Translated)
    assert found.told.event.data.model_dump()["survey"] == "F1"


def test_an_entry_lays_its_fetch_over_the_preset_key_by_key() -> None:
    """Its secret and base suffice; what it says of `reads` is added."""
    text = """
preset: surveymonkey
answers: {score: "question:1"}
fetch: {secret: env:TOKEN, base: "https://api.eu.example", reads: {answers: {why: "question:2"}}}
"""
    recipe = compiled(text)
    assert (recipe.origin, recipe.host) == ("https://api.eu.example:443", "api.eu.example")
    assert recipe.headers == {"Authorization": "Bearer made-up token"}
    assert recipe.many is not None
    assert recipe.settings.rate.per_day == 500
    (kind,) = recipe.mapping.kinds
    assert [name for name, _, _ in kind.answers] == ["score", "why"]


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["id", "pages", "questions", "answers", "simple_text", "data", "links"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
MONKEY = compiled(
    "preset: surveymonkey\nanswers: {score: 'question:1'}\nfetch: {secret: env:TOKEN}"
)


@settings(max_examples=60)
@given(ANY_JSON)
def test_whatever_a_platform_answers_has_an_outcome(answer: object) -> None:
    """A document that is none is unmappable or undecodable; no other exception gets out."""
    body = json.dumps(answer).encode()
    many = MONKEY.many
    assert many is not None
    documents: list[fetched.Document] = []
    with suppress(Undecodable):
        documents.append(fetched.read_one(MONKEY, body, fetched.asked_of(ASKED)))
    with suppress(Undecodable):
        documents += fetched.read_page(many, body, "S1")[0]
    for document in documents:
        found = fetched.outcome(MONKEY.mapping, document, NOW)
        assert isinstance(found, Translated | Unmappable)
        assert fetched.response_id(many.mapping, document) is None or answer
        assert isinstance(named(MONKEY.mapping, document.payload), tuple)
        assert isinstance(happened(MONKEY.mapping, document.payload), datetime | None)
        assert fetched.document_of(fetched.kept(document.asked, document.payload.body)) is not None


def test_a_message_may_hold_a_list_of_ids() -> None:
    """Each of them is one response to fetch; what stands beside the list is said once."""
    source = SourceEntry.model_validate(
        {
            "becomes": "thin",
            "each": "entries",
            "survey": "root:form",
            "response_id": "expr:@",
            "answered_at": "root:at",
            "unsigned": True,
        }
    )
    decoder = decoder_of(source, 1 << 20)
    inbound = Inbound(b'{"form": "F1", "at": "2026-11-22T11:00:00Z", "entries": [7, "E8"]}')
    payloads = decoder.split(decoder.read(inbound), inbound)
    mapping = compile_mapping("pine", source)
    assert [translate(mapping, payload, NOW) for payload in payloads] == [
        Thin("F1", "7", ASKED.occurred_at, {}),
        Thin("F1", "E8", ASKED.occurred_at, {}),
    ]
