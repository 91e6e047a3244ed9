"""Whom a row concerns, and whether that is erased."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.keep.erasing import is_erasure
from services.ingest.keep.people import SAID, Whom, hashes, is_erased, message_mark
from shared.events.decisions import CustomerErased
from shared.events.envelope import DECISIONS, FEEDBACK, Event, encode
from shared.events.feedback import CustomerUpdated
from shared.events.vocabulary import Identifier
from tests.builders import decisions

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
LATER = NOON + timedelta(microseconds=1)
ANA, BEN, ANSWER = "a" * 64, "b" * 64, "c" * 64


@pytest.mark.parametrize(
    ("marks", "told_at", "erased"),
    [
        pytest.param([ANA], NOON, True, id="told at that very moment"),
        pytest.param([ANA], LATER, False, id="what she says later is new"),
        pytest.param([BEN], NOON, False, id="of somebody else"),
        pytest.param([BEN, ANA], NOON, True, id="of her among others"),
        pytest.param([SAID + ANSWER], LATER, True, id="an erased answer, told again for ever"),
        pytest.param([BEN, SAID + ANSWER], LATER, True, id="by its answer, whoever it names now"),
        pytest.param([], NOON, False, id="of nobody"),
    ],
)
def test_what_is_erased(marks: list[str], told_at: datetime, erased: bool) -> None:
    """A person up to a moment, something said for ever."""
    stones = {ANA: NOON, ANSWER: NOON}
    assert is_erased(marks, told_at, stones) is erased
    assert Whom((*stones,), NOON).owns(marks, told_at) is erased


def test_without_a_moment_all_of_hers_is_meant() -> None:
    """As an operator asks who deletes raw messages of somebody."""
    whom = Whom((ANA,))
    assert whom.owns([BEN, ANA], LATER)
    assert not whom.owns([BEN], NOON)
    assert whom.with_more([ANSWER]).owns([SAID + ANSWER], LATER)


@given(st.lists(st.sampled_from([ANA, BEN, ANSWER, SAID + ANA, SAID + ANSWER])))
def test_tombstones_are_asked_once_for_each_name(marks: list[str]) -> None:
    """Whether somebody is meant or something said: both are told by one list of HMACs."""
    assert hashes(marks) == sorted({mark.removeprefix(SAID) for mark in marks})


def test_a_message_in_quarantine_is_marked_under_the_key() -> None:
    """The same message is the same mark; without the key nobody makes it."""
    row_id = UUID(int=7)
    assert message_mark(b"k", row_id) == message_mark(b"k", UUID(int=7))
    assert message_mark(b"k", row_id) not in (
        message_mark(b"other", row_id),
        message_mark(b"k", UUID(int=8)),
    )


def erasure() -> bytes:
    """A record that says somebody is forgotten."""
    data = CustomerErased(
        erasure_id=UUID(int=1),
        customer_id=UUID(int=2),
        customer_ids=(UUID(int=2),),
        people=(ANA,),
        erased_before=NOON,
        erased_at=NOON,
    )
    assert Event(UUID(int=3), "segmenter", NOON, data).topic == DECISIONS
    return encode(Event(UUID(int=3), "segmenter", NOON, data))


def update(comment: str) -> bytes:
    """Another record, in which somebody says something."""
    who = Identifier(kind="external_id", value="C-1")
    data = CustomerUpdated(identifiers=(who,), occurred_at=NOON, attributes={"said": comment})
    event = Event(uuid5(UUID(int=4), comment), "crm", NOON, data)
    assert event.topic == FEEDBACK
    return encode(event)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        pytest.param(erasure(), True, id="an erasure"),
        pytest.param(erasure().replace(b'":"', b'" : "'), True, id="as another writer spaces it"),
        pytest.param(encode(decisions.told(decisions.decision())), False, id="a decision"),
        pytest.param(update("nothing"), False, id="another event"),
        pytest.param(update('"type":"customer.erased"'), False, id="the word in a comment"),
        pytest.param(b"customer.erased", True, id="no JSON, so a dead letter for a person"),
        pytest.param(b'["customer.erased"]', False, id="no event"),
        pytest.param(b"", False, id="nothing"),
    ],
)
def test_an_erasure_is_known_by_its_bytes(value: bytes, wanted: bool) -> None:
    """All other records are passed over without being decoded."""
    assert is_erasure(value) is wanted
