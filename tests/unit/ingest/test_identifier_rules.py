"""One person is written one way, whichever way she comes in and whoever looks for her."""

from datetime import UTC, datetime
from typing import Any

import pytest

from services.ingest.keep.people import named_in, people
from services.ingest.mapper.compiler import compile_mapping
from services.ingest.mapper.paths import Payload
from services.ingest.outside.events import read
from services.ingest.settings import SourceEntry
from services.ingest.told import Translated
from services.ingest.translate import named, translate
from shared import identifiers
from shared.events.feedback import CustomerUpdated, ResponseReceived
from shared.events.vocabulary import IdentifierKind
from shared.identifiers import Rules

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
KEY = b"route key"
RULES = Rules(region="FR", plus="ignore")


def entry(**changes: Any) -> SourceEntry:
    """A source that tells address and telephone."""
    return SourceEntry.model_validate(
        {
            "verify": {"kind": "token", "header": "x-token"},
            "secrets": ["env:NPS_SECRET_SHOP"],
            "survey": {"constant": "nps"},
            "response_id": "id",
            "answers": {"score": "score"},
            "identifiers": {"email": "mail", "phone": "tel"},
            **changes,
        }
    )


def answer(**fields: Any) -> Payload:
    """A message of it."""
    return Payload({"id": "R-1", "score": 9, **fields})


@pytest.mark.parametrize(
    ("kind", "field", "raw", "also"),
    [
        pytest.param("email", "mail", "Ana+Shop@Example.com", "ana@example.com", id="plus"),
        pytest.param(
            "email", "mail", "ana@M\u00fcnchen.example", "ANA@xn--mnchen-3ya.example", id="IDN"
        ),
        pytest.param("phone", "tel", "06 12 34 56 78", "+33 (0)6 12 34 56 78", id="national"),
        pytest.param("phone", "tel", "0033612345678 poste 4", "tel:+33612345678", id="extension"),
    ],
)
def test_mapping_events_erasure_and_search_agree(
    kind: IdentifierKind, field: str, raw: str, also: str
) -> None:
    """Her route, her key and the HMAC of an erasure are made of one spelling."""
    mapped = translate(compile_mapping("shop", entry(), RULES), answer(**{field: raw}), NOW)
    told = read(
        {
            "specversion": "1.0",
            "id": "1",
            "source": "crm",
            "type": "customer.updated",
            "data": {"identifiers": {kind: also}},
        },
        NOW,
        RULES,
    )
    assert isinstance(mapped, Translated)
    mine = [one for one in mapped.told.identifiers if one.kind != "response"]

    assert mine == list(told.identifiers)
    assert identifiers.route(KEY, mine) == identifiers.route(KEY, told.identifiers)
    for spelling in (raw, also):
        asked = RULES.spellings(kind, spelling)
        assert mine[0] in asked
        assert set(people(KEY, mine)) <= set(people(KEY, asked))
        assert mine[0] in named_in([spelling], RULES)


def test_a_number_that_is_none_loses_no_answer_and_marks_her() -> None:
    """What she typed is told to nobody; that it was no number is."""
    mapping = compile_mapping("shop", entry(), RULES)
    found = translate(mapping, answer(mail="ana@example.com", tel="06 12"), NOW)
    assert isinstance(found, Translated)
    assert isinstance(found.told.event.data, ResponseReceived)

    assert found.unread == ("phone",)
    assert found.told.event.data.attributes == {"unread_phone": True}
    assert found.told.event.data.answers["score"] == 9
    assert [one.kind for one in named(mapping, answer(tel="06 12"))] == ["response"]


def test_a_crm_row_with_a_number_that_is_none_marks_her_as_well() -> None:
    """By its webhook; at `POST /v1/events` the caller can correct it, and is refused."""
    mapping = compile_mapping("crm", entry(becomes="customer_update", event_id="id"), RULES)
    found = translate(mapping, answer(mail="ana@example.com", tel="06 12"), NOW)
    assert isinstance(found, Translated)
    assert isinstance(found.told.event.data, CustomerUpdated)

    assert found.told.event.data.attributes["unread_phone"] is True


def test_without_a_region_a_national_number_is_unread() -> None:
    """The default: it is a number in a dozen countries."""
    mapping = compile_mapping("shop", entry())
    found = translate(mapping, answer(mail="ana@example.com", tel="06 12 34 56 78"), NOW)
    assert isinstance(found, Translated)

    assert found.unread == ("phone",)
