"""What the segmenter takes in: every type of its topics, under the keys that find her."""

import pytest

from services.segmenter.profile.facts import MODELS, fact_of
from shared.errors import Unprocessable
from shared.events.envelope import DECISIONS, FEEDBACK, OUTCOMES, TYPES, Event
from shared.events.feedback import (
    ErasureRequested,
    MergeRequested,
    ResponseLink,
    TimerDue,
    UnmergeRequested,
)
from shared.events.outcomes import ErasureConfirmed
from shared.identifiers import response
from tests.builders.facts import ANNA, case, completed, fact, settled
from tests.contracts.test_events import EXAMPLES, event

MINE = [data for data in EXAMPLES if TYPES[data.TYPE][1] in (FEEDBACK, OUTCOMES)]
#: What comes on these topics and is done instead of known: timers, and commands of a person.
DONE = (TimerDue, MergeRequested, UnmergeRequested, ErasureRequested, ErasureConfirmed)


@pytest.mark.parametrize(
    "told", [pytest.param(event(data), id=data.TYPE) for data in MINE if not isinstance(data, DONE)]
)
def test_every_type_of_its_topics_is_a_fact(told: Event) -> None:
    """A type that was forgotten would be dead-lettered, each time it is told."""
    found = fact_of(told)
    assert found.kind in MODELS
    assert (found.data, found.keys != ()) == (told.data, True)


def test_what_it_tells_itself_is_no_fact() -> None:
    """Its own decisions come on a topic that it does not read."""
    own = next(data for data in EXAMPLES if TYPES[data.TYPE][1] == DECISIONS)
    with pytest.raises(Unprocessable, match="no fact"):
        fact_of(event(own))


@pytest.mark.parametrize(
    ("told", "keys"),
    [
        pytest.param(
            case("opened"), [("email", ANNA), ("case", "helpdesk/1")], id="a case and its customer"
        ),
        pytest.param(case("resolved", email=None), [("case", "helpdesk/1")], id="its number alone"),
        pytest.param(
            case(
                "opened",
                email=None,
                response=ResponseLink(source="shop", survey="nps", response_id="r1"),
            ),
            [("response", response("shop", "nps", "r1").value), ("case", "helpdesk/1")],
            id="the answer that it is about",
        ),
        pytest.param(completed(), [("email", ANNA)], id="done by her"),
    ],
)
def test_a_fact_is_found_by_all_that_it_names(told: Event, keys: list[tuple[str, str]]) -> None:
    """What a person is known by comes first: her customer owns the fact."""
    assert list(fact(told).keys) == keys


def test_an_action_completed_has_the_key_of_its_delivery() -> None:
    """The same one that the delivery's own outcome has."""
    delivery = settled(event(EXAMPLES[0]).id, "d1")
    assert fact(completed(email=None, delivery="d1")).keys == fact(delivery).keys


@pytest.mark.parametrize(
    "told",
    [
        pytest.param(case("opened", "helpdesk/\x00"), id="a NUL in the case"),
        pytest.param(
            case("opened", response=ResponseLink(source="s" * 600, survey="n", response_id="r")),
            id="a link too long to keep",
        ),
    ],
)
def test_a_key_that_cannot_be_kept_is_refused(told: Event) -> None:
    """At once, before it reaches the database."""
    with pytest.raises(Unprocessable):
        fact(told)
