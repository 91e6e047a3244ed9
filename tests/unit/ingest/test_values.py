"""What an answer may be: the score above all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.mapper import values
from services.ingest.mapper.paths import MISSING
from services.ingest.mapper.values import Unreadable


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        *[pytest.param(n, n, id=f"{n}") for n in range(11)],
        pytest.param("0", 0, id="text 0"),
        pytest.param(" 10 ", 10, id="text 10 with spaces"),
        pytest.param("08", 8, id="leading zero"),
        pytest.param("9 ", 9, id="text 9 with a space"),
        pytest.param(8.0, 8, id="whole float"),
        pytest.param("8.0", 8, id="whole float as text"),
        pytest.param("", MISSING, id="empty: not said"),
        pytest.param("  ", MISSING, id="blank: not said"),
        pytest.param(None, None, id="null: cleared"),
    ],
)
def test_a_score_is_a_whole_number_from_0_to_10(raw: object, expected: object) -> None:
    """Texts are converted, 0 is a score, nothing said is not 0."""
    found = values.score(raw)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    "raw",
    [
        True,
        False,
        8.5,
        "8.5",
        float("inf"),
        float("nan"),
        10**400,
        "9.",
        "+9",
        "1e1",
        11,
        -1,
        "-1",
        "11",
        100,
        1e30,
        "nine",
        "8/10",
        "\uff19",
        [],
        [8],
        {},
    ],
)
def test_what_is_no_score_is_refused_by_rule(raw: object) -> None:
    """Booleans, fractions and other scales are refused, never rounded."""
    with pytest.raises(Unreadable, match=r"^score: "):
        values.score(raw)


@given(st.one_of(st.text(), st.integers(), st.floats(allow_nan=False, allow_infinity=False)))
def test_no_value_gives_a_score_outside_the_scale(raw: object) -> None:
    """Whatever comes: 0 to 10, not said, or refused."""
    try:
        found = values.score(raw)
    except Unreadable:
        return
    assert found is MISSING or found in range(11)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("fr", "fr"),
        ("FR-fr", "fr"),
        ("en_GB", "en"),
        ("pt-BR-x", "pt"),
        ("default", MISSING),
        ("", MISSING),
        (3, MISSING),
        (None, None),
    ],
)
def test_a_language_is_its_primary_subtag(raw: object, expected: object) -> None:
    """What is no language says nothing."""
    assert values.language(raw) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [("Tu", "tu"), (" VOUS ", "vous"), ("you", MISSING), ("", MISSING), (1, MISSING), (None, None)],
)
def test_a_tone_is_tu_or_vous(raw: object, expected: object) -> None:
    """Anything else is not said, never guessed."""
    assert values.tone(raw) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [(True, True), ("Oui", True), ("1", True), (0, False), ("non", False), ("maybe", MISSING),
     ("", MISSING), ([], MISSING), (None, None)],
)  # fmt: skip
def test_a_flag_is_a_known_word(raw: object, expected: object) -> None:
    """Words we do not know say nothing."""
    assert values.flag(raw) is expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param(" late \n", "late", id="trimmed"),
        pytest.param("a\x00b", "ab", id="NUL dropped"),
        pytest.param("x" * 30_000, "x" * 20_000, id="cut"),
        pytest.param(7, "7", id="number"),
        pytest.param(["slow", "dear"], "slow\ndear", id="choices"),
        pytest.param("\x00 ", MISSING, id="nothing left"),
        pytest.param(None, None, id="cleared"),
    ],
)
def test_a_comment_is_a_text_of_bounded_length(raw: object, expected: object) -> None:
    """What the database cannot hold or the bus cannot carry never leaves ingest."""
    assert values.text_answer(raw) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param("x" * 2_000, "x" * 1_000, id="short text"),
        pytest.param(1.5, 1.5, id="number"),
        pytest.param(False, False, id="boolean"),
        pytest.param(["a", 1, None, {"x": 1}], ["a", "1"], id="list of texts"),
        pytest.param(["a"] * 200, ["a"] * 100, id="long list"),
        pytest.param("", MISSING, id="not said"),
        pytest.param(None, None, id="cleared"),
    ],
)
def test_an_attribute_is_a_plain_value(raw: object, expected: object) -> None:
    """Texts, numbers, yes or no, lists of texts."""
    assert values.attribute(raw) == expected


def test_a_map_is_no_attribute_and_no_text() -> None:
    """A path that ends too early is told, not stored as a text of braces."""
    for read in (values.attribute, values.answer, values.text_answer):
        with pytest.raises(Unreadable):
            read({"label": "x"})


@pytest.mark.parametrize(
    ("raw", "expected"),
    [("R-1", "R-1"), (" R-1 ", "R-1"), (17, "17"), ("x" * 9, None), ("", None), (None, None),
     (True, None), (1.5, None), ([], None), ("\x00", None)],
)  # fmt: skip
def test_an_id_is_a_short_text_or_a_whole_number(raw: object, expected: str | None) -> None:
    """Anything else would not be the same id the next time."""
    if expected is None:
        with pytest.raises(Unreadable):
            values.key_text(raw, 8)
    else:
        assert values.key_text(raw, 8) == expected
