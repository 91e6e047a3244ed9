"""Attributes typed at reading: what fits is brought into one form, the rest is not believed."""

import pytest
from pydantic import TypeAdapter, ValidationError

from services.segmenter.decide import clocks, snapshot
from services.segmenter.policy.attributes import Attributes, AttributeType
from services.segmenter.profile import attributes
from services.segmenter.profile.attributes import Typed, fitting, typed
from services.segmenter.profile.profile import rebuild
from services.segmenter.profile.state import Profile
from shared.events.envelope import Event
from shared.events.vocabulary import Value
from tests.builders.facts import answered, day, fact, shipped_policy, updated

POLICY = shipped_policy().value
DEFAULT_ZONE = ("Europe/Paris", "default")
PARIS, BERLIN = ("Europe/Paris", "country"), ("Europe/Berlin", "country")
REUNION = ("Indian/Reunion", "postal code")
#: A place of each of France's territories overseas.
OVERSEAS = {
    "97110": "America/Guadeloupe",
    "97200": "America/Martinique",
    "97300": "America/Cayenne",
    "97410": "Indian/Reunion",
    "97500": "America/Miquelon",
    "97600": "Indian/Mayotte",
    "97700": "America/St_Barthelemy",
    "97800": "America/Marigot",
    "98600": "Pacific/Wallis",
    "98714": "Pacific/Tahiti",
    "98800": "Pacific/Noumea",
}


def profile_of(*told: Event) -> Profile:
    return rebuild(fact(one) for one in told)


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


RENAMED = (
    updated(attributes={"zone": "Asia/Tokyo", "country": "BE", "aov": 1, "revenue": 2}),
    updated(at=day(1), attributes={"timezone": "America/New_York", "country_code": "GB"}),
)


def test_of_all_names_of_an_attribute_the_newest_word_counts() -> None:
    """Rules and platforms know it by the declared name; what was said is kept as it was said."""
    found = profile_of(*RENAMED)
    assert attributes.said(found, POLICY, "country") == "GB"
    assert attributes.text(profile_of(RENAMED[0]), POLICY, "country") == "BE"
    assert snapshot.attributes(found, POLICY) == {"country": "GB", "aov": 1, "revenue": 2}
    assert snapshot.zone(found, POLICY) == ("America/New_York", "attribute")
    assert found.attribute("timezone") == "America/New_York"
    by_other_names = profile_of(RENAMED[1])
    assert attributes.text(by_other_names, POLICY, "country") == "GB"
    assert attributes.number(profile_of(RENAMED[0]), POLICY, "aov") == 1
    cleared = updated(at=day(2), attributes={"country_code": None})
    assert attributes.said(profile_of(*RENAMED, cleared), POLICY, "country") is None


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        pytest.param({"zone": " Europe/Lisbon "}, ("Europe/Lisbon", "attribute"), id="a zone"),
        pytest.param({"zone": "Mars", "country": "be "}, ("Europe/Brussels", "country"), id="typo"),
        pytest.param({"zone": ["Europe/Paris"], "country": True}, DEFAULT_ZONE, id="no texts"),
        pytest.param({}, DEFAULT_ZONE, id="unknown"),
        *(
            pytest.param({"country": "fr", "postal_code": code}, (zone, "postal code"), id=zone)
            for code, zone in OVERSEAS.items()
        ),
        pytest.param({"postal_code": 97400}, REUNION, id="no country: the policy's"),
        pytest.param({"country": "FR", "postal_code": "F-97 400"}, REUNION, id="as written"),
        pytest.param({"country": "FR", "postal_code": "75011"}, PARIS, id="in Europe"),
        pytest.param({"country": "FR", "postal_code": 9740}, PARIS, id="09740 as a number"),
        pytest.param({"country": "DE", "postal_code": "97421"}, BERLIN, id="elsewhere"),
        pytest.param(
            {"zone": "Europe/Lisbon", "country": "FR", "postal_code": "97400"},
            ("Europe/Lisbon", "attribute"),
            id="a zone comes first",
        ),
    ],
)
def test_the_zone_is_read_as_a_text_like_all_that_is_typed(
    said: dict[str, Value], expected: tuple[str, str]
) -> None:
    """What does not fit its type is not believed here either."""
    assert snapshot.zone(profile_of(updated(attributes=said)), POLICY) == expected


def test_the_group_and_the_clocks_read_what_is_believed() -> None:
    """A number is a group's name as well as a text is; a moment's day starts the clock."""
    told: dict[str, Value] = {"group": 1204, "customer_since": "2026-03-09T23:30:00-05:00"}
    found = profile_of(updated(attributes=told))
    assert snapshot.group(found, POLICY) == "1204"
    hold = clocks.new_customer(found, POLICY)
    assert hold is not None
    assert hold.until.isoformat() == "2026-03-23T00:00:00+00:00"


@pytest.mark.parametrize(
    "declared",
    [
        {"zone": {"type": "text", "also": ["timezone"]}, "timezone": "text"},
        {
            "zone": {"type": "text", "also": ["place"]},
            "country": {"type": "text", "also": ["place"]},
        },
        {"zone": {"type": "text", "also": ["zone"]}},
    ],
    ids=["declared itself", "of two", "its own"],
)
def test_a_name_that_would_mean_two_things_is_refused(declared: dict[str, object]) -> None:
    """The message says which."""
    with pytest.raises(ValidationError, match="is given twice: rename or remove one"):
        TypeAdapter(Attributes).validate_python(declared)


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


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        pytest.param({}, ("America/Toronto", "source"), id="the tool she answered last"),
        pytest.param({"country": "BE"}, ("Europe/Brussels", "country"), id="her country first"),
    ],
)
def test_where_nothing_says_her_zone_the_source_does(
    said: dict[str, Value], expected: tuple[str, str]
) -> None:
    """A shop's survey tool tells where its customers are; the decision says that it guessed so."""
    zones = POLICY.zones.model_copy(update={"sources": {"demo": "America/Toronto"}})
    policy = POLICY.model_copy(update={"zones": zones})
    profile = profile_of(updated(attributes=said), answered("r1", 9))
    assert snapshot.zone(profile, policy) == expected
