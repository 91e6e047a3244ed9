"""Attributes typed at reading: what fits is brought into one form, the rest is not believed."""

import pytest
from pydantic import ValidationError

from services.segmenter import attributes
from services.segmenter.attributes import Typed, fitting, typed
from services.segmenter.policy.attributes import AttributeType
from services.segmenter.profile import rebuild
from shared.events.vocabulary import Value
from tests.builders.facts import day, fact, shipped_policy, updated

POLICY = shipped_policy().value


@pytest.mark.parametrize(
    ("kind", "said", "value"),
    [
        pytest.param("text", "Lyon", "Lyon", id="a text"),
        pytest.param("text", 69001, "69001", id="a number where a text is meant"),
        pytest.param("number", 3, 3, id="a number"),
        pytest.param("number", "3", 3, id="a whole number as text"),
        pytest.param("number", " 1 234,50 ", 1234.5, id="as the French write it"),
        pytest.param("number", "1\u202f234", 1234, id="with a narrow blank"),
        pytest.param("number", "-0.5", -0.5, id="below nothing"),
        pytest.param("number", 0, 0, id="nothing is a number"),
        pytest.param("money", "49,90 €", 49.9, id="a sign behind"),
        pytest.param("money", "£12", 12, id="a sign in front"),
        pytest.param("money", "EUR 1 200", 1200, id="a code in front"),
        pytest.param("money", 12.5, 12.5, id="a plain amount"),
        pytest.param("date", "2026-03-01", "2026-03-01", id="a date"),
        pytest.param("date", "2026-03-01T23:30:00-05:00", "2026-03-01", id="the day of a moment"),
        pytest.param(
            "moment", "2026-03-01T12:00:00+01:00", "2026-03-01T11:00:00.000000Z", id="a moment"
        ),
        pytest.param("moment", "2026-03-01", "2026-03-01T00:00:00.000000Z", id="a day's midnight"),
        pytest.param("flag", True, True, id="a flag"),
        pytest.param("flag", "Oui", True, id="yes in French"),
        pytest.param("flag", 0, False, id="no as a number"),
        pytest.param("list", ["a", "b"], ["a", "b"], id="a list"),
        pytest.param("list", "a", ["a"], id="a list of one"),
        pytest.param("choice", " VOUS ", "vous", id="a choice as people type it"),
    ],
)
def test_what_fits_is_brought_into_one_form(kind: str, said: Value, value: Value) -> None:
    """However a CRM writes it, rules and platforms read one form."""
    assert fitting(said, of(kind)) == Typed(value)
    assert fitting(value, of(kind)) == Typed(value)


@pytest.mark.parametrize(
    ("kind", "said", "reason"),
    [
        pytest.param("text", True, "no text", id="a flag is no text"),
        pytest.param("number", "many", "no number", id="a word"),
        pytest.param("number", True, "no number", id="a flag is no number"),
        pytest.param("number", "1,234", "may be of thousands", id="thousands or cents"),
        pytest.param("number", "nan", "no number", id="not a number"),
        pytest.param("number", "9" * 400, "no number", id="beyond all numbers"),
        pytest.param("number", "12 €", "no number", id="money is no number"),
        pytest.param("money", "a lot", "no amount", id="no amount"),
        pytest.param("money", "€", "no amount", id="a sign alone"),
        pytest.param("date", "01/03/2026", "no ISO date", id="day or month first"),
        pytest.param("date", 20260301, "no ISO date", id="a date as a number"),
        pytest.param("moment", "soon", "no ISO moment", id="no moment"),
        pytest.param("moment", "0001-01-01T00:00:00+10:00", "our calendar", id="before time"),
        pytest.param("flag", "perhaps", "neither yes nor no", id="perhaps"),
        pytest.param("flag", ["yes"], "neither yes nor no", id="a list of a flag"),
        pytest.param("list", False, "no list", id="a flag is no list"),
        pytest.param("choice", "toi", "none of the values", id="not among the values"),
        pytest.param("choice", ["tu"], "none of the values", id="a list of a choice"),
    ],
)
def test_what_does_not_fit_is_not_believed(kind: str, said: Value, reason: str) -> None:
    """There is no value then, but a reason that does not repeat what was said."""
    found = fitting(said, of(kind))
    assert found.value is None
    assert found.wrong is not None
    assert reason in found.wrong


@pytest.mark.parametrize("said", ["x", 1, True, ["x"], None])
def test_what_is_not_declared_or_cleared_passes_as_it_is(said: Value) -> None:
    """A field that the policy does not know is nobody's mistake; a null clears."""
    assert fitting(said, None) == Typed(said)
    assert fitting(None, of("number")) == Typed(None)


def test_a_profile_is_read_under_the_policy_at_hand() -> None:
    """What was said stays in the profile: the newest word alone counts, right or wrong."""
    profile = rebuild(
        fact(one)
        for one in (
            updated(attributes={"aov": "49,90 €", "tone": "vous", "shoe_size": "39"}),
            updated(at=day(1), attributes={"aov": "a lot"}),
        )
    )
    assert typed(profile, POLICY) == {
        "aov": Typed(wrong="no amount"),
        "tone": Typed("vous"),
        "shoe_size": Typed("39"),
    }
    assert profile.attribute("aov") == "a lot"
    assert attributes.believed(profile, POLICY, "aov") is None
    assert attributes.number(profile, POLICY, "shoe_size") == 39


@pytest.mark.parametrize(
    "declared",
    [{"type": "choice"}, {"type": "text", "values": ["a"]}, {"type": "colour"}],
)
def test_a_declaration_that_means_nothing_is_refused(declared: dict[str, object]) -> None:
    """A choice without values, values without a choice, a type of no kind."""
    with pytest.raises(ValidationError):
        AttributeType.model_validate(declared)


def of(kind: str) -> AttributeType:
    values = ("tu", "vous") if kind == "choice" else ()
    return AttributeType.model_validate({"type": kind, "values": values})
