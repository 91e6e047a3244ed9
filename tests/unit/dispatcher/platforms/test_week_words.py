"""An owner's week in words: figures with how sure they are, comments by link."""

from uuid import UUID

import pytest

from services.dispatcher.platforms.week_words import owner_week
from services.dispatcher.platforms.words import Voice
from tests.builders.weeks import week

ALL = ("nps_score", "nps_theme")
FRENCH = Voice("fr", "Europe/Paris", "https://nps.example.com/c/")


def test_a_week_in_english() -> None:
    """Score and interval, then why, what is open, and where to read on."""
    title, text = owner_week(week(), ALL, Voice("en", "UTC", "https://nps.example.com/c/"))

    assert title == "Week of 9 March to 15 March: NPS 20, answers: 40"
    assert text.splitlines() == [
        "Store: Lyon",
        "NPS: 20, 95 % between -7.1 and 43.6",
        "The week before: NPS -10.5, answers: 38 (a real change)",
        "Segments: detractor 12, passive 8, promoter 20",
        "Reasons: price 9 (detractor 7), delivery 4",
        "Cases: opened 5, closed 3, open now 4",
        "Comments: 14",
        f"2/10, price: https://nps.example.com/c/{UUID(int=1)}",
        f"9/10: https://nps.example.com/c/{UUID(int=2)}",
        "… and 12 more",
    ]


def test_a_week_in_french() -> None:
    """Blanks before colons, and our words in theirs."""
    title, text = owner_week(week(too_few=True, changed=False), ALL, FRENCH)

    assert title == "Semaine du 9 mars au 15 mars : NPS 20, réponses : 40"
    assert text.splitlines() == [
        "Store : Lyon",
        "NPS : 20, 95 % entre -7.1 et 43.6 (trop peu de réponses pour conclure)",
        "La semaine précédente : NPS -10.5, réponses : 38",
        "Segments : détracteur 12, neutre 8, promoteur 20",
        "Motifs : prix 9 (détracteur 7), livraison 4",
        "Dossiers : ouverts 5, clos 3, en cours 4",
        "Commentaires : 14",
        f"2/10, prix : https://nps.example.com/c/{UUID(int=1)}",
        f"9/10 : https://nps.example.com/c/{UUID(int=2)}",
        "… et 12 autres",
    ]


def test_a_week_without_answers_has_cases_alone() -> None:
    """No score is made up."""
    silent = week(
        **dict.fromkeys(("detractors", "passives", "promoters", "answers_before", "commented"), 0),
        **dict.fromkeys(("nps", "low", "high", "nps_before"), None),
        themes=[],
        comments=[],
    )
    title, text = owner_week(silent, ALL, Voice())

    assert title == "Week of 9 March to 15 March: no answers"
    assert text.splitlines() == ["Store: Lyon", "Cases: opened 5, closed 3, open now 4"]


@pytest.mark.parametrize(
    ("allowed", "first"),
    [
        pytest.param((), str(UUID(int=1)), id="nothing"),
        pytest.param(("nps_score",), f"2/10: {UUID(int=1)}", id="her score"),
        pytest.param(("nps_theme",), f"price: {UUID(int=1)}", id="her reason"),
    ],
)
def test_of_a_customer_it_says_no_more_than_its_target_may(
    allowed: tuple[str, ...], first: str
) -> None:
    """Sums are nobody's; a line about her is hers. Without a page to link there is our id."""
    _, text = owner_week(week(), allowed, Voice())

    assert text.splitlines()[-3] == first


def test_an_owners_name_makes_no_lines_and_stands_in_no_title() -> None:
    """An attribute may be anything that was ever typed; some chats read titles as markup."""
    title, text = owner_week(week(owner="Lyon\n@channel", attribute="account_manager"), (), FRENCH)

    assert "@channel" not in title
    assert text.splitlines()[0] == "Account manager : Lyon @channel"


def test_all_customers_together_have_no_owner() -> None:
    """The digest begins with the figures."""
    _, text = owner_week(week(owner=None, attribute=None), ALL, Voice())

    assert text.startswith("NPS: 20")
