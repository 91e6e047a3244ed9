"""What a score is: metric, value, scale and bands, as tables."""

from typing import Any

import pytest

from services.ingest.told import Unmappable
from tests.builders.mappings import IDS, answer, outcome

STARS = f"""{IDS}
answers: {{score: value}}
score: {{metric: stars, scale: {{least: 1, most: range.max}},
        bands: {{detractor: [1, 2], passive: [3, 3], promoter: [4, 5]}}}}
"""
CSAT = f"{IDS}answers: {{score: value}}\nscore: {{metric: csat, scale: [1, 5]}}\n"
CES = f"{IDS}answers: {{score: value}}\nscore: {{metric: ces, scale: [1, 7]}}\n"
HUNDRED = f"{IDS}answers: {{score: value}}\nscore: {{scale: [0, 100]}}\n"
TOLD = f"{IDS}answers: {{score: value}}\nscore: {{scale: {{least: from, most: to}}}}\n"
PLAIN = f"{IDS}answers: {{score: value}}\n"
SPELT_OUT = f"{IDS}answers: {{score: value}}\nscore: {{scale: {{least: 0, most: 10}}}}\n"


@pytest.mark.parametrize(
    ("source", "said", "metric", "given"),
    [
        pytest.param(CSAT, {"value": "4"}, "csat", (4, 1, 5, None), id="csat of 1 to 5, as text"),
        pytest.param(CSAT, {"value": 4.5}, "csat", (4.5, 1, 5, None), id="csat with a half"),
        pytest.param(CSAT, {"value": "4,5"}, "csat", (4.5, 1, 5, None), id="a decimal comma"),
        pytest.param(CES, {"value": 7}, "ces", (7, 1, 7, None), id="ces of 1 to 7"),
        pytest.param(
            STARS,
            {"value": 3, "range": {"max": 5}},
            "stars",
            (3, 1, 5, "passive"),
            id="stars: the payload tells how many there are",
        ),
        pytest.param(
            STARS,
            {"value": 6, "range": {"max": "7"}},
            "stars",
            (6, 1, 7, None),
            id="no band holds it",
        ),
    ],
)
def test_another_metric_keeps_its_value_and_scale(
    source: str, said: dict[str, Any], metric: str, given: tuple[object, ...]
) -> None:
    """The value stays as it was given, with the ends of its scale and the source's band."""
    data = answer(source, **said)
    assert data.metric == metric
    assert data.given is not None
    assert (data.given.value, data.given.least, data.given.most, data.given.band) == given
    assert data.answers["score"] == given[0]


@pytest.mark.parametrize(
    ("source", "said", "score", "given"),
    [
        pytest.param(HUNDRED, {"value": 70}, 7, (70, 0, 100), id="0 to 100 is converted"),
        pytest.param(HUNDRED, {"value": "0"}, 0, (0, 0, 100), id="0 is a score"),
        pytest.param(TOLD, {"value": 3, "from": 1, "to": 5}, 5, (3, 1, 5), id="the payload's own"),
        pytest.param(TOLD, {"value": 8, "from": 0, "to": 10}, 8, None, id="0 to 10 after all"),
        pytest.param(SPELT_OUT, {"value": "9"}, 9, None, id="NPS's own scale, spelt out"),
        pytest.param(PLAIN, {"value": "10"}, 10, None, id="plain"),
    ],
)
def test_an_nps_on_another_scale_is_converted_where_the_source_says_so(
    source: str, said: dict[str, Any], score: int, given: tuple[object, ...] | None
) -> None:
    """The score is a whole number from 0 to 10; the original is kept beside it."""
    data = answer(source, **said)
    assert data.answers == {"score": score}
    assert type(data.answers["score"]) is int
    kept = data.given and (data.given.value, data.given.least, data.given.most)
    assert kept == given


@pytest.mark.parametrize("nothing", [{}, {"value": ""}, {"value": "  "}])
@pytest.mark.parametrize("source", [CSAT, STARS, HUNDRED, TOLD, PLAIN, SPELT_OUT])
def test_no_score_is_a_partial_answer_whatever_the_metric(
    source: str, nothing: dict[str, Any]
) -> None:
    """Absent and blank are not said, even where the scale is missing too."""
    data = answer(source, **nothing)
    assert (data.answers, data.given) == ({}, None)


@pytest.mark.parametrize("source", [CSAT, STARS, HUNDRED, TOLD, PLAIN, SPELT_OUT])
def test_a_null_clears_a_score_of_any_metric(source: str) -> None:
    """Null is said: the score that was there is taken back."""
    data = answer(source, value=None)
    assert (data.answers, data.given) == ({"score": None}, None)


@pytest.mark.parametrize(
    ("source", "said", "path", "rule"),
    [
        pytest.param(PLAIN, {"value": 70}, "value", "outside 0 to 10", id="70 as plain NPS"),
        pytest.param(SPELT_OUT, {"value": 11}, "value", "outside 0 to 10", id="11, spelt out"),
        pytest.param(SPELT_OUT, {"value": 8.5}, "value", "whole number", id="8.5, spelt out"),
        pytest.param(HUNDRED, {"value": 101}, "value", "outside its scale", id="101 of 100"),
        pytest.param(HUNDRED, {"value": 75}, "value", "no whole number", id="75 of 100 is 7.5"),
        pytest.param(HUNDRED, {"value": True}, "value", "not a number", id="a boolean"),
        pytest.param(CSAT, {"value": "good"}, "value", "not a number", id="a word"),
        pytest.param(CSAT, {"value": 0}, "value", "outside its scale", id="0 of 1 to 5"),
        pytest.param(CSAT, {"value": [4]}, "value", "not a number", id="a list"),
        pytest.param(STARS, {"value": 3}, "range.max", "is not said", id="scale not said"),
        pytest.param(
            STARS, {"value": 3, "range": {"max": None}}, "range.max", "is not said", id="null scale"
        ),
        pytest.param(
            STARS, {"value": 3, "range": {"max": "many"}}, "range.max", "scale: not a", id="words"
        ),
        pytest.param(
            STARS, {"value": 3, "range": {"max": 10**12}}, "range.max", "proportion", id="huge"
        ),
        pytest.param(
            TOLD, {"value": 3, "from": 5, "to": 5}, "value", "no extent", id="a scale of one value"
        ),
    ],
)
def test_what_is_no_score_is_kept_for_a_person(
    source: str, said: dict[str, Any], path: str, rule: str
) -> None:
    """Never guessed: the refusal names the path that failed, and the rule."""
    found = outcome(source, {"survey": "s", "id": "R-1", **said})
    assert isinstance(found, Unmappable)
    assert found.path == path
    assert rule in found.rule


def test_the_scale_is_part_of_what_the_event_is_named_by() -> None:
    """Another scale for the same value is another message."""
    first = outcome(TOLD, {"survey": "s", "id": "R", "value": 2, "from": 0, "to": 5})
    again = outcome(TOLD, {"survey": "s", "id": "R", "value": 2, "from": 0, "to": 5})
    other = outcome(TOLD, {"survey": "s", "id": "R", "value": 2, "from": 0, "to": 10})
    assert first == again
    assert first != other
