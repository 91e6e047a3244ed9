"""A figure that changed in words: what it was and is, how sure, and where to read on."""

import pytest

from services.dispatcher.platforms.figure_words import figure_change
from services.dispatcher.platforms.words import Voice
from tests.builders.changed_figures import figure, quiet

ENGLISH = Voice("en", "UTC", None, "https://nps.example.com/figures")
FRENCH = Voice("fr", "Europe/Paris", None, "https://nps.example.com/figures")
LINK = (
    "https://nps.example.com/figures?by=attribute%3Astore&from=2026-03-09&to=2026-03-15"
    "&compare=2026-03-02..2026-03-08"
)


def test_a_fall_in_english() -> None:
    """Both periods by their days, the difference with its interval, the question in the link."""
    title, text = figure_change(figure(), ENGLISH)

    assert title == "NPS down from 55 to -25 (stores)"
    assert text.splitlines() == [
        "Store: Lyon",
        "Now: 9 March to 15 March, NPS -25, answers: 40",
        "Before: 2 March to 8 March, NPS 55, answers: 40",
        "Difference: -80, 95 % between -107.6 and -40.3",
        f"Figures: {LINK}",
    ]


def test_quiet_again_in_french() -> None:
    """What it is now, and why it is no news any more."""
    title, text = figure_change(quiet(), FRENCH)

    assert title == "Retour au calme : NPS -25 (stores)"
    assert text.splitlines() == [
        "Store : Lyon",
        "Raison : le score est revenu à ce qu'il était avant le changement",
        "Maintenant : du 9 mars au 15 mars, NPS -25, réponses : 40",
        "Avant : du 2 mars au 8 mars, NPS 55, réponses : 40",
        "Écart : -80, 95 % entre -107.6 et -40.3",
        f"Chiffres : {LINK}",
    ]


@pytest.mark.parametrize(
    ("changes", "voice", "title"),
    [
        pytest.param(
            {"direction": "up"}, ENGLISH, "NPS up from 55 to -25 (stores)", id="up in English"
        ),
        pytest.param(
            {"direction": "up"}, FRENCH, "NPS en hausse, de 55 à -25 (stores)", id="up in French"
        ),
        pytest.param({}, FRENCH, "NPS en baisse, de 55 à -25 (stores)", id="down in French"),
        pytest.param(
            {"state": "quiet", "reason": "new_level"},
            ENGLISH,
            "Quiet again: NPS -25 (stores)",
            id="quiet in English",
        ),
    ],
)
def test_the_title_says_which_way(changes: dict[str, str], voice: Voice, title: str) -> None:
    """Our words, numbers and the alert's name: no group's, which may be anything."""
    assert figure_change(figure(**changes), voice)[0] == title


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("reason", ["back", "late_answers", "new_level", "too_few"])
def test_every_reason_for_quiet_has_words(language: str, reason: str) -> None:
    """In both languages."""
    voice = Voice(language)  # type: ignore[arg-type]
    text = figure_change(quiet(reason=reason), voice)[1]

    assert "figure_" not in text
    assert len(text.splitlines()) == 5


def test_all_answers_together_name_no_group() -> None:
    """Without groups and without a link there is neither line; a survey is named."""
    text = figure_change(figure(by=None, value=None, survey="nps"), Voice())[1]

    assert text.splitlines()[0] == "Survey: nps"
    assert "http" not in text


def test_a_group_is_one_line_and_no_markup_of_ours() -> None:
    """It is a value that customers have."""
    text = figure_change(figure(value="Lyon\nNow: NPS 99"), Voice())[1]

    assert text.splitlines()[0] == "Store: Lyon Now: NPS 99"
