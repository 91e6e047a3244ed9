"""What campaign platforms may be told of a customer."""

from services.dispatcher.ledger.attributes import attributes_of, chosen, push_hash
from shared.events.decisions import Maturity, Move, Snapshot
from shared.events.vocabulary import Identifier
from tests.builders.decisions import NOW, decision

EMAIL = Identifier(kind="email", value="a@example.com")


def test_every_canonical_attribute_has_its_value() -> None:
    """Names are the product's, times are UTC texts, own attributes keep a prefix."""
    snapshot = Snapshot(
        score=0,
        segment="detractor",
        previous_segment="promoter",
        response_count=2,
        first_answered_at=NOW,
        last_answered_at=NOW,
        comment="trop cher",
        theme="price",
        language="fr",
        tone="vous",
        title="Mme",
        first_name="Ada",
        last_name="Exemple",
        next_survey_at=NOW,
        fatigue_threshold=2,
        maturity=Maturity(points=75, ready=True),
        lifecycle="active",
        called_by="Madame Exemple",
        attributes={"tier": "gold"},
    )
    move = Move(kind="down", before="promoter", after="detractor")
    at = "2026-03-12T09:00:00.000000Z"
    assert attributes_of(decision(snapshot=snapshot, move=move), {}) == {
        "nps_score": 0,
        "nps_segment": "detractor",
        "nps_previous_segment": "promoter",
        "nps_move": "down",
        "nps_answered_at": at,
        "nps_first_answered_at": at,
        "nps_response_count": 2,
        "nps_comment": "trop cher",
        "nps_theme": "price",
        "nps_next_survey_at": at,
        "nps_fatigue_threshold": 2,
        "nps_maturity": 75,
        "nps_mature": True,
        "lifecycle": "active",
        "called_by": "Madame Exemple",
        "language": "fr",
        "tone": "vous",
        "title": "Mme",
        "first_name": "Ada",
        "last_name": "Exemple",
        "attributes.tier": "gold",
    }


def test_who_is_no_promoter_any_more_is_mature_no_more() -> None:
    """The points are cleared; "ready" is a plain no, which every platform can store."""
    told = attributes_of(decision(), {})
    assert (told["nps_maturity"], told["nps_mature"]) == (None, False)


def test_a_decision_without_a_move_keeps_the_last_one() -> None:
    """An update of an address does not make her move."""
    assert attributes_of(decision(), {"nps_move": "up"})["nps_move"] == "up"


def test_a_target_takes_what_it_lists_in_its_order() -> None:
    """Nothing else leaves, and what she never had is not said."""
    known = {"a": 1, "b": None, "c": 3}
    assert list(chosen(known, ("c", "b", "x")).items()) == [("c", 3), ("b", None)]


def test_equal_states_have_equal_names() -> None:
    """The order of keys and the responses she gave make no difference; values and addresses do."""
    response = Identifier(kind="response", value="s/n/1")
    name = push_hash({"a": 1, "b": 2}, [EMAIL])
    assert name == push_hash({"b": 2, "a": 1}, [EMAIL, response])
    assert name != push_hash({"a": 1, "b": 3}, [EMAIL])
    other = Identifier(kind="email", value="b@example.com")
    assert name != push_hash({"a": 1, "b": 2}, [EMAIL, other])
