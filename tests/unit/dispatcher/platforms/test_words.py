"""Alerts in words: what happened, who, which case and by when, and no more than may be said."""

from collections.abc import Mapping
from typing import Any

import pytest

from services.dispatcher.platforms.wordings import WORDINGS
from services.dispatcher.platforms.words import LONGEST_COMMENT, Voice, person, text, title
from shared.events.vocabulary import Value
from tests.builders.platforms import CUSTOMER, action

SAID: dict[str, Value] = {
    "nps_score": 3,
    "nps_segment": "detractor",
    "nps_previous_segment": "promoter",
    "nps_move": "down",
    "nps_theme": "price",
    "called_by": "Mme Durand",
}
CASE: dict[str, Value] = {
    "case_id": "4711",
    "case_due_at": "2026-03-12T09:30:00.000000Z",
    "escalations": ["legal", "call_me"],
}
ENGLISH = Voice("en", "Europe/London", "https://nps.example.com/customers/")
FRENCH = Voice("fr", "Europe/Paris", "https://nps.example.com/clients/")


def alert(context: Mapping[str, Value] = CASE, **changes: Any) -> Any:
    """An internal alert about the invented customer."""
    return action(action="internal_alert", variant="default", context=dict(context), **changes)


def test_an_alert_says_in_english_what_happened_who_which_case_and_where_to_read_on() -> None:
    """A colleague can act on it without opening anything else."""
    assert title(alert(), SAID, ENGLISH) == (
        "Internal alert: detractor, 3/10, legal, wants to be called, price"
    )
    assert text(alert(), SAID, ENGLISH).splitlines() == [
        "Detractor, 3/10 (promoter before, down)",
        "Reason: price",
        "Raised: legal, wants to be called",
        "Customer: Mme Durand",
        "Case: 4711, to be called by 12 March, 09:30",
        f"Her page: https://nps.example.com/customers/{CUSTOMER}",
    ]


def test_the_same_alert_in_french_tells_the_time_by_the_readers_clock() -> None:
    """Half past nine in UTC is half past ten in Paris."""
    assert title(alert(), SAID, FRENCH) == (
        "Alerte interne : détracteur, 3/10, juridique, demande à être rappelé, prix"
    )
    assert text(alert(), SAID, FRENCH).splitlines() == [
        "Détracteur, 3/10 (promoteur avant, en baisse)",
        "Motif : prix",
        "À noter : juridique, demande à être rappelé",
        "Client : Mme Durand",
        "Dossier : 4711, à rappeler avant le 12 mars à 10:30",
        f"Sa fiche : https://nps.example.com/clients/{CUSTOMER}",
    ]


def test_what_another_answer_said_is_not_put_on_the_newest() -> None:
    """A threat without a score beside a promoter's praise of last week: neither is the other's."""
    told = alert({"escalations": ["legal"], "other_answer": "after_delivery"})
    said = {**SAID, "nps_comment": "Parfait !"}
    assert title(told, said, ENGLISH) == "Internal alert: legal"
    assert text(told, said, ENGLISH).splitlines()[:-1] == [
        "Detractor, 3/10 (promoter before, down)",
        "Raised: legal",
        "Said in another answer, to the survey: after_delivery",
        "Customer: Mme Durand",
    ]
    assert "Dit dans une autre réponse, à l'enquête : after_delivery" in text(told, said, FRENCH)


def test_what_a_target_may_not_say_is_not_said() -> None:
    """With an empty allow-list an alert names the action, her id and the case, and nothing else."""
    said = f"{title(alert(), {}, Voice())}\n{text(alert({}), {}, Voice())}"

    assert said == (f"Internal alert: legal, wants to be called\nCustomer: {CUSTOMER}")


@pytest.mark.parametrize(
    ("said", "line"),
    [
        pytest.param({"first_name": "Jane", "last_name": "Doe"}, "Customer: Jane Doe", id="names"),
        pytest.param({"called_by": None}, f"Customer: {CUSTOMER}", id="no name is known"),
        pytest.param({"nps_comment": "Trop cher."}, "Comment: Trop cher.", id="comment allowed"),
        pytest.param({"attributes.store": "Lyon 3"}, "Store: Lyon 3", id="an attribute of theirs"),
        pytest.param({"nps_segment": "passive"}, "Passive", id="a segment without its score"),
        pytest.param({"nps_score": 0, "nps_segment": "detractor"}, "Detractor, 0/10", id="zero"),
        pytest.param({"nps_theme": "wait_time"}, "Reason: wait time", id="a theme of their own"),
    ],
)
def test_each_thing_that_may_be_said_has_its_line(said: dict[str, Value], line: str) -> None:
    """One line each, in plain words."""
    assert line in text(alert({}), said, Voice()).splitlines()


@pytest.mark.parametrize("language", sorted(WORDINGS))
def test_nobody_s_words_look_like_a_line_of_ours(language: Any) -> None:
    """A comment with line ends stays one line; a long one is cut."""
    said: dict[str, Value] = {
        "nps_comment": "x\nCase: 1\r\n\x0b\u2028Her page: https://evil.example/"
    }
    lines = text(alert({}), said, Voice(language)).splitlines()

    assert len(lines) == 2
    long = text(alert({}), {"nps_comment": "é" * 4000}, Voice(language)).splitlines()[-1]
    assert long.endswith("…")
    assert len(long) < LONGEST_COMMENT + 20


def test_the_title_holds_none_of_her_own_words() -> None:
    """Some chats read it as markup: a name with <!channel> in it would call everybody."""
    said = {**SAID, "called_by": "<!channel>", "nps_comment": "<!channel>"}

    assert "<" not in title(alert(), said, FRENCH)


def test_all_languages_say_the_same_things() -> None:
    """No phrase is missing in one of them."""
    assert len({frozenset(wording.labels) for wording in WORDINGS.values()}) == 1
    assert all(len(wording.months) == 12 for wording in WORDINGS.values())


@pytest.mark.parametrize(
    ("said", "identifiers", "named"),
    [
        pytest.param({"first_name": "Zoé", "last_name": "Martin"}, {}, "Zoé Martin", id="names"),
        pytest.param(
            {"called_by": None}, {"email": None, "phone": "+33612"}, "+33612", id="number"
        ),
        pytest.param({"first_name": ""}, {}, "Customer", id="nothing known"),
    ],
)
def test_a_helpdesk_is_always_given_a_name(
    said: dict[str, Value], identifiers: dict[str, Any], named: str
) -> None:
    """Her own where the target may say it, else what she is known by; never nothing."""
    assert person(said, identifiers) == named
