"""How figures and data quality read a customer: as every decision about her does."""

from functools import partial
from typing import Any
from uuid import UUID

import pytest

from services.segmenter.profile.profile import rebuild
from services.segmenter.sweep.portrait import Portrait, near, portrait
from shared.events.envelope import Event
from shared.events.vocabulary import ConsentStatement, Value
from tests.builders.facts import day, fact, ids_of, says, updated
from tests.builders.figures import policy_with
from tests.builders.sweeping import FRANCE

POLICY = policy_with(statistics={"groupings": ["country_code", "store"]})


def read(*told: Event) -> Portrait:
    """Read whoever this was told of."""
    return portrait(UUID(int=7), rebuild(map(fact, told)), POLICY, FRANCE)


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        pytest.param({"tone": "VOUS"}, {"tone": "vous"}, id="in its type's form"),
        pytest.param({"country_code": "FR"}, {"country": "FR"}, id="by the declared name"),
        pytest.param({"tone": "polite"}, {"tone": "polite"}, id="wrong: as it was said"),
        pytest.param({"colour": "Blue"}, {"colour": "Blue"}, id="undeclared: as it was said"),
        pytest.param({"store": None}, {}, id="cleared"),
        pytest.param({"mrr": "12,50 €"}, {"mrr": 12.5}, id="an amount"),
    ],
)
def test_attributes_have_one_name_and_one_form(
    attributes: dict[str, Any], said: dict[str, Any]
) -> None:
    """Two spellings of one value are one group; what nobody can read stays to be seen."""
    assert read(updated(attributes=attributes)).said == said


def test_of_two_names_the_newest_word_counts() -> None:
    """Kept with each answer under the declared name, whichever name the policy groups by."""
    found = read(
        updated(attributes={"country": "BE", "store": "Lyon"}),
        updated(at=day(1), attributes={"country_code": "FR"}),
    )
    assert found.said == found.groups == {"country": "FR", "store": "Lyon"}
    assert near(POLICY) == {"country", "store"}


def test_what_is_missing_is_what_decisions_miss() -> None:
    """A tone in capitals is a tone; one that is none, and a name that is a list, are missing."""
    whole: dict[str, Value] = {"tone": "VOUS", "last_name": "Silva", "language": "fr"}
    assert read(updated(attributes=whole)).wrong == frozenset()
    broken: dict[str, Value] = {**whole, "tone": "polite", "last_name": ["Silva"]}
    assert read(updated(attributes=broken)).wrong == {"missing_tone", "missing_name"}


def test_a_telephone_is_found_by_any_of_its_names() -> None:
    """For the numbers to check and for suspected duplicates alike."""
    policy = policy_with(attributes={"mobile": {"type": "text", "also": ["cell"]}})
    told = updated(*ids_of("ana@example.com"), attributes={"cell": "06 12 34 56 78"})
    assert portrait(UUID(int=7), rebuild([fact(told)]), policy, FRANCE).person.phones == {
        "+33612345678"
    }
    wrong = updated(*ids_of("ana@example.com"), attributes={"cell": "ask her"})
    found = portrait(UUID(int=7), rebuild([fact(wrong)]), policy, FRANCE)
    assert "invalid_phone" in found.wrong


@pytest.mark.parametrize(
    ("number", "wrong"),
    [
        pytest.param("06 12 34 56 78", False, id="a national number"),
        pytest.param("+33 (0)6.12.34.56.78 poste 12", False, id="with its extension"),
        pytest.param("+32 470 12 34 56", False, id="another country's"),
        pytest.param("", False, id="none"),
        pytest.param("06 12 34 56", True, id="two digits forgotten"),
        pytest.param("+999 12 34 56 78", True, id="of no country"),
        pytest.param("+33 6 12 34 56 78 90", True, id="too long for its country"),
    ],
)
def test_a_telephone_number_is_one_by_the_rules_of_its_country(number: str, wrong: bool) -> None:
    """The same rules by which ingest recognises her: a list of what it could not read."""
    assert ("invalid_phone" in read(updated(attributes={"mobile": number})).wrong) == wrong


YES, NO = (partial(says, granted=granted) for granted in (True, False))


@pytest.mark.parametrize(
    ("statements", "since"),
    [
        pytest.param([], None, id="never said"),
        pytest.param([YES(at=day(-800))], -800, id="one yes"),
        pytest.param([YES(at=day(-800)), NO(at=day(-10))], None, id="taken back"),
        pytest.param(
            [YES(at=day(-800)), NO(at=day(-10), channel="all")], None, id="taken back everywhere"
        ),
        pytest.param([YES(at=day(-800)), YES(at=day(-10))], -10, id="renewed"),
        pytest.param(
            [YES(at=day(-800)), YES(at=day(-10), channel="all")], -10, id="renewed everywhere"
        ),
        pytest.param(
            [YES(at=day(-800), channel="all"), YES(at=day(-10))], -800, id="of one channel only"
        ),
        pytest.param(
            [YES(at=day(-800)), YES(at=day(-10), purpose="survey")], -800, id="another purpose"
        ),
        pytest.param(
            [YES(at=day(-800)), NO(at=day(-900))], -800, id="she changed her mind long ago"
        ),
    ],
)
def test_only_a_yes_that_stands_grows_old(
    statements: list[ConsentStatement], since: float | None
) -> None:
    """What was taken back or renewed by whichever channel's name needs no renewal."""
    told = [updated(at=day(number), consents=(one,)) for number, one in enumerate(statements)]
    found = read(updated(), *told).oldest_yes
    assert found == (None if since is None else day(since))
