"""The answer as it is sent: written in slices, and yet one document."""

from uuid import UUID

import orjson
import pytest
from pydantic import TypeAdapter

from services.segmenter.eligibility.views import (
    Answer,
    Eligibility,
    KnownAnswers,
    PersonAsked,
    RefusalView,
    Survey,
    whole,
    written,
)
from tests.builders.facts import day, rulebook

REFUSED = Eligibility(
    eligible=False,
    reason=RefusalView("this_survey", "asked lately", day(30)),
    reasons=(
        RefusalView("this_survey", "asked lately", day(30)),
        RefusalView("consent", "survey refused on this channel", None),
    ),
    customer_id=UUID(int=1),
    known_by="email",
    disagreeing=("phone",),
    attributes={"orders": 2**70, "first_name": "Zoé", "tags": ["a", "b"], "value": 1.5},
    answered=KnownAnswers("nps", day(0), {"score": 9}),
)
WRONG = Eligibility(eligible=False, error="give id, email or phone")
FREE = Eligibility(eligible=True)


@pytest.mark.parametrize(
    "slices",
    [
        pytest.param([[REFUSED, WRONG, FREE]], id="one slice"),
        pytest.param([[REFUSED], [WRONG, FREE]], id="two slices"),
        pytest.param([[FREE]], id="one person"),
    ],
)
def test_slices_make_the_document_that_all_at_once_would(slices: list[list[Eligibility]]) -> None:
    """Byte for byte, whatever is in it."""
    rules = rulebook()
    people = tuple(one for some in slices for one in some)
    asked = Survey(survey="nps", customers=(PersonAsked(),))
    expected = Answer("nps", "relational", rules.version, people)
    found = whole(asked, rules, [written(some) for some in slices])
    assert found == TypeAdapter(Answer).dump_json(expected)


def test_every_field_is_told_and_moments_have_six_digits() -> None:
    """Also those that are empty, so that a reader need not know which may be missing."""
    told = orjson.loads(b"[%b]" % written([FREE, REFUSED]))
    assert list(told[0]) == list(told[1]) == list(Eligibility.__dataclass_fields__)
    assert told[1]["reason"]["until"] == "2026-04-09T12:00:00.000000Z"
    assert told[0]["reasons"] == told[0]["disagreeing"] == []
