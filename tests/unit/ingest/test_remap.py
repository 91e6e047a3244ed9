"""What another mapping changes about a message that was told: differences, and the revision."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.ingest.correct.remap import Change, Difference, change
from services.ingest.decode.payload import MISSING, Payload
from services.ingest.mapper.compiler import compile_mapping
from services.ingest.settings import SourceEntry
from services.ingest.told import Ignored, Outcome, Translated, Unmappable
from services.ingest.translate import translate
from shared.events.feedback import CustomerUpdated, ResponseReceived

THEN = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
ENTRY: dict[str, Any] = {
    "unsigned": True,
    "survey": "survey",
    "response_id": "id",
    "answered_at": "at",
    "revision": "updated",
    "identifiers": {"email": "email"},
    "answers": {"score": "score", "comment": "wrong"},
    "attributes": {"plan": "wrong"},
}
MESSAGE = {
    "survey": "s",
    "id": "R-1",
    "at": "2026-11-20T08:00:00Z",
    "updated": "2026-11-20T08:30:00Z",
    "email": "camille@example.com",
    "work": "work@example.com",
    "phone": "+33612345678",
    "score": 9,
    "rating": 2,
    "wrong": "internal note",
    "comment": "lovely",
    "yes": "yes",
    "done": True,
}
CONSENT = [{"channel": "email", "purpose": "marketing", "from": "yes"}]
NO_CONSENT = [
    {
        "channel": "email",
        "purpose": "marketing",
        "from": "yes",
        "granted": ["x"],
        "refused": ["yes"],
    }
]


def read(changes: dict[str, Any] | None = None, message: dict[str, Any] = MESSAGE) -> Outcome:
    """Read the message; `changes` replace keys of the source."""
    entry = SourceEntry.model_validate({**ENTRY, **(changes or {})})
    return translate(compile_mapping("tool", entry), Payload(message), THEN)


def compared(
    old: dict[str, Any] | None = None, new: dict[str, Any] | None = None, turn: int = 1
) -> Change:
    """Compare two mappings that differ."""
    found = change(0, read(old), read(new), turn)
    assert found is not None
    return found


def revision(found: Change) -> ResponseReceived:
    """Take the answer that the revision tells."""
    assert found.told is not None
    assert isinstance(found.told.event.data, ResponseReceived)
    return found.told.event.data


def test_a_corrected_field_is_told_and_what_was_wrong_is_cleared() -> None:
    """A comment from the wrong field, and an attribute that should never have been one."""
    found = compared(new={"answers": {"score": "rating", "comment": "comment"}, "attributes": {}})
    assert found.differences == (
        Difference("answers.comment", "internal note", "lovely"),
        Difference("answers.score", 9, 2),
        Difference("attributes.plan", "internal note", MISSING),
    )
    said = revision(found)
    assert said.answers == {"score": 2, "comment": "lovely"}
    assert said.attributes == {"plan": None}


def test_a_revision_stands_in_the_place_of_the_message_it_corrects() -> None:
    """The same revision of the platform, and a receipt later by next to nothing: what the customer
    changed since came later and still wins."""
    old = read()
    said = revision(compared(new={"answers": {"score": "rating"}}, turn=2))
    assert isinstance(old, Translated)
    assert isinstance(old.told.event.data, ResponseReceived)
    assert said.revision == old.told.event.data.revision
    assert said.received_at == THEN + timedelta(microseconds=2)
    assert said.answered_at == old.told.event.data.answered_at


def test_a_time_of_receipt_stays_that_of_the_first_receipt() -> None:
    """An answer of last week does not become one of today."""
    no_time = {"answered_at": None}
    said = revision(compared(no_time, {**no_time, "answers": {"score": "rating"}}))
    assert (said.answered_at, said.answered_at_origin) == (THEN, "receipt")


def test_each_turn_is_an_event_of_its_own_and_the_same_again() -> None:
    """A mapping that is changed there, back and there again is told three times."""
    there: dict[str, Any] = {"answers": {"score": "rating"}}
    events = [
        compared(new=there, turn=1),
        compared(there, turn=2),
        compared(new=there, turn=3),
    ]
    ids = [one.told.event.id for one in events if one.told is not None]
    assert len(set(ids)) == 3
    again = compared(new=there, turn=1).told
    assert again is not None
    assert again.event.id == ids[0]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param({}, {"zone": "Europe/Paris"}, id="a key that changes nothing"),
        pytest.param(
            {}, {"answers": {"score": ["score", "rating"], "comment": "wrong"}}, id="spare"
        ),
        pytest.param({"survey": "nothing"}, {"survey": "none"}, id="not understood before or now"),
        pytest.param(
            {"becomes": "customer_update"},
            {"becomes": "customer_update", "zone": "Europe/Paris"},
            id="a customer's update as before",
        ),
    ],
)
def test_what_says_the_same_is_left_alone(old: dict[str, Any], new: dict[str, Any]) -> None:
    """Nothing is told and nothing is shown."""
    assert change(0, read(old), read(new), 1) is None


def test_what_was_not_understood_then_is_told_as_when_it_came() -> None:
    """Nothing of it was told, so nothing is to be corrected."""
    old, new = read({"survey": "nothing"}), read()
    assert isinstance(new, Translated)
    assert change(3, old, new, 1) == Change(3, (), new.told)


def test_a_person_who_is_named_more_fully_is_linked() -> None:
    """A second identifier beside the first says who she is."""
    found = compared(new={"identifiers": {"email": "email", "phone": "phone"}})
    assert [one.field for one in found.differences] == ["identifiers.phone"]
    assert {one.kind for one in revision(found).identifiers} == {"email", "phone", "response"}


@pytest.mark.parametrize(
    ("new", "fields", "says"),
    [
        pytest.param(
            {"response_id": "email"}, ["response_id"], "another survey or response id", id="id"
        ),
        pytest.param(
            {"survey": {"constant": "t"}}, ["survey"], "another survey or response id", id="survey"
        ),
        pytest.param(
            {"identifiers": {"email": "work"}},
            ["identifiers.email"],
            "it named somebody else (email)",
            id="another person",
        ),
        pytest.param({"identifiers": {}}, ["identifiers.email"], "(email)", id="nobody"),
        pytest.param(
            {"becomes": "customer_update"}, None, "only answers have revisions", id="another event"
        ),
        pytest.param({"survey": "none"}, [], "not understood now (none: ", id="not understood"),
        pytest.param(
            {"ignore": [{"from": "done", "is": [True]}]},
            [],
            "ignored now (test message)",
            id="ignored",
        ),
        pytest.param({"becomes": "thin"}, [], "a message of ids only now", id="thin"),
    ],
)
def test_what_would_do_harm_is_shown_and_refused(
    new: dict[str, Any], fields: list[str] | None, says: str
) -> None:
    """Two answers for one, or two customers taken for one: a person decides, not a revision."""
    found = compared(new=new)
    assert found.told is None
    assert says in (found.refused or "")
    if fields is not None:
        assert [one.field for one in found.differences] == fields


def test_what_is_no_answer_has_no_revision() -> None:
    """A customer's attributes are corrected by telling the customer anew."""
    update = {"becomes": "customer_update"}
    found = compared(update, {**update, "attributes": {"plan": "comment"}})
    assert [one.field for one in found.differences] == ["attributes"]
    assert found.refused == "only answers have revisions: what was told of another kind stays"
    assert isinstance(read(update), Translated)
    assert isinstance(read(update).told.event.data, CustomerUpdated)  # type: ignore[union-attr]


def test_a_yes_that_was_never_given_is_taken_back() -> None:
    """Silence would leave it standing."""
    found = compared({"consents": CONSENT})
    assert [(one.channel, one.granted) for one in revision(found).consents] == [("email", False)]


def test_a_yes_that_came_with_a_bought_address_is_taken_back() -> None:
    """Whatever the seller says."""
    found = compared({"consents": CONSENT}, {"consents": CONSENT, "provenance": "bought"})
    said = revision(found)
    assert said.provenance == "bought"
    assert False in {one.granted for one in said.consents}


@pytest.mark.parametrize(
    ("old", "new", "field", "stays"),
    [
        pytest.param({"complete": "final"}, {}, "complete", True, id="whole once"),
        pytest.param({}, {"complete": "final"}, "complete", False, id="whole now"),
        pytest.param(
            {"consents": NO_CONSENT},
            {"consents": CONSENT},
            "consents.email.marketing",
            True,
            id="a no said at the same moment",
        ),
        pytest.param({}, {"revision": None}, "revision", True, id="revision gone"),
        pytest.param({"revision": None}, {}, "revision", False, id="revision found"),
        pytest.param(
            {"answered_at": "updated"},
            {"attributes": {"plan": "comment"}},
            "attributes.plan",
            True,
            id="attribute of an earlier time",
        ),
        pytest.param(
            {"score": {"metric": "csat", "scale": [0, 10]}},
            {},
            "metric",
            True,
            id="once of another metric",
        ),
    ],
)
def test_what_readers_keep_is_marked(
    old: dict[str, Any], new: dict[str, Any], field: str, stays: bool
) -> None:
    """They join all messages of an answer by the safer word; the operator should know."""
    found = {one.field: one.stays for one in compared(old, new).differences}
    assert found[field] is stays


def test_a_revision_never_falls_behind_the_message_it_corrects() -> None:
    """Readers take the higher one."""
    said = revision(compared(new={"revision": None, "answers": {"score": "rating"}}))
    assert said.revision == 1_795_163_400_000  # 2026-11-20T08:30:00Z


def test_outcomes_of_every_kind_compare() -> None:
    """None of them is an exception."""
    kinds: list[Outcome] = [read(), Ignored("a"), Unmappable("a", "b"), read({"becomes": "thin"})]
    for old in kinds:
        for new in kinds:
            found = change(0, old, new, 1)
            assert found is None or (found.told is None) != (found.refused is None)
