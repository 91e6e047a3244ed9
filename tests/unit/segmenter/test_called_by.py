"""How a customer is called, in French and in English."""

import pytest
from pydantic import ValidationError

from services.segmenter.policy.called_by import CalledBy
from services.segmenter.profile.called_by import called_by
from services.segmenter.profile.profile import rebuild
from shared.events.vocabulary import Value
from tests.builders.facts import fact, shipped_policy, updated

POLICY = shipped_policy().value


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        pytest.param({}, None, id="nothing known"),
        pytest.param({"nickname": "Nine", "first_name": "Jeannine"}, "Nine", id="a nickname"),
        pytest.param(
            {"nickname": "Nine", "tone": "vous", "title": "Mme", "last_name": "Morel"},
            "Nine",
            id="a nickname is her wish, whatever the tone",
        ),
        pytest.param({"first_name": "Jeannine", "tone": "tu"}, "Jeannine", id="tu"),
        pytest.param({"first_name": "Jeannine", "tone": "TU "}, "Jeannine", id="tu, shouted"),
        pytest.param(
            {"tone": "tu", "title": "Mme", "last_name": "Morel"}, None, id="tu, Madame Morel: never"
        ),
        pytest.param({"first_name": "Jeannine", "tone": "vous"}, None, id="vous, Jeannine: never"),
        pytest.param(
            {"tone": "vous", "title": "Mme", "last_name": "Morel", "language": "fr"},
            "Madame Morel",
            id="vous",
        ),
        pytest.param(
            {"title": "M.", "last_name": "Morel", "language": "fr-CA"},
            "Monsieur Morel",
            id="no tone is no tu, and a region of French is French",
        ),
        pytest.param(
            {"title": "Mlle", "last_name": "Morel", "language": "fr"},
            "Madame Morel",
            id="Mademoiselle is said no more",
        ),
        pytest.param(
            {"title": "mrs.", "last_name": "Hale", "language": "en-GB"}, "Mrs Hale", id="Mrs"
        ),
        pytest.param({"title": "MR", "last_name": "Hale", "language": "en"}, "Mr Hale", id="Mr"),
        pytest.param(
            {"title": "Dr", "last_name": "Hale", "language": "en"}, "Dr Hale", id="another title"
        ),
        pytest.param({"title": "Mme", "last_name": "Morel"}, "Mme Morel", id="no language"),
        pytest.param({"last_name": "Morel", "tone": "vous"}, None, id="never a last name alone"),
        pytest.param(
            {"title": "-", "last_name": "Morel", "language": "fr"}, None, id="a dash is no title"
        ),
        pytest.param({"nickname": " ", "tone": "tu", "first_name": "Al"}, "Al", id="a blank"),
        pytest.param({"nickname": None, "tone": "tu", "first_name": "Al"}, "Al", id="taken back"),
        pytest.param({"tone": "tu", "first_name": " Anne\n Lise "}, "Anne Lise", id="blanks"),
        pytest.param({"tone": "tu", "first_name": True}, None, id="a flag is no name"),
    ],
)
def test_how_she_is_called(said: dict[str, Value], expected: str | None) -> None:
    """Her nickname, else as the tone asks; where no form is right, none is given."""
    profile = rebuild([fact(updated(attributes=said))])
    assert called_by(profile, POLICY) == expected


def test_a_title_that_would_never_be_found_is_refused() -> None:
    """Titles are compared in lower case, without a full stop."""
    with pytest.raises(ValidationError, match="write mme: lower case"):
        CalledBy.model_validate({"titles": {"fr": {"Mme.": "Madame"}}})
