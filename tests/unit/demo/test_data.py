"""The bundled data: invented throughout, in both languages, and what must come of it."""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from services.demo.data import Counts, Response, cases, expected, responses
from services.segmenter.policy.whole import Policy
from services.segmenter.themes.themes import ThemeFinder
from shared.settings import load_yaml

CONFIG = Path(__file__).resolve().parents[3] / "deploy" / "config"
INVENTED = re.compile(r"[a-z.]+@(example\.(com|org|net)|[a-z]+\.example)", re.IGNORECASE)


def everything() -> list[Response]:
    return [*responses(), *(post.send for case in cases() for post in case.posts)]


def deliveries_of(response: Response) -> Iterable[str]:
    """What one ordinary answer leads to, by the simplest rules that can be told to a person."""
    score = response.score
    assert score is not None
    permitted = "accepted" if response.consent == "yes" else "suppressed"
    if response.comment and score > 6:
        # Who is sent an offer or an ask is thanked by it.
        yield f"thanks/default: {'suppressed' if permitted == 'accepted' else 'accepted'}"
    if score <= 6:
        yield f"reassurance/{response.theme or 'default'}: accepted"
        yield "internal_alert/default: accepted"
    elif score <= 8:
        yield f"discount/default: {permitted}"
    else:
        yield f"review_invite/default: {permitted}"
        # One ask per answer: the others are told that it goes first.
        for later in ("referral_invite", "loyalty_invite", "privilege"):
            yield f"{later}/default: suppressed"


def segment_of(response: Response) -> str:
    assert response.score is not None
    return "detractor" if response.score <= 6 else "passive" if response.score <= 8 else "promoter"


def computed() -> Counts:
    ordinary, special = responses(), cases()
    answers = Counter({"accepted": len(ordinary)})
    answers.update(post.answer for case in special for post in case.posts)
    known = [case for case in special if any(p.answer == "accepted" for p in case.posts)]
    segments = Counter(segment_of(response) for response in ordinary)
    segments.update(case.segment or "no segment" for case in known)
    rows = Counter(row for response in ordinary for row in deliveries_of(response))
    rows.update(row for case in special for row in case.expect)
    return Counts(
        posted=answers.total(),
        answers=answers,
        customers=segments,
        deliveries=rows,
        quarantine=answers["quarantined"],
    )


def test_the_expected_counts_follow_from_the_data() -> None:
    """`expected.json` is what the simplest rules make of the answers."""
    assert expected() == computed()


def test_everybody_is_invented() -> None:
    """Every address lies in a domain that can belong to nobody."""
    assert [r.email for r in everything() if not INVENTED.fullmatch(r.email)] == []


def test_there_are_a_few_hundred_in_both_languages_from_all_three_sources() -> None:
    """About as many in French as in English, and enough from each tool."""
    ordinary = responses()
    assert 250 <= len(ordinary) <= 400
    languages = Counter(r.language for r in ordinary)
    assert min(languages["fr"], languages["en"]) > len(ordinary) / 3
    sources = Counter(r.source for r in ordinary)
    assert sources.keys() == {"typeform-nps", "formbricks-nps", "shop"}
    assert min(sources.values()) > len(ordinary) / 5


def test_the_answers_vary() -> None:
    """Scores, themes, forms of address and consent all occur; no comment is worn out."""
    ordinary = responses()
    assert {r.score for r in ordinary} == set(range(11))
    assert {r.theme for r in ordinary} == {None, "price", "delivery", "service", "product"}
    assert {r.tone for r in ordinary} == {None, "tu", "vous"}
    assert {r.consent for r in ordinary} == {None, "yes", "no"}
    comments = Counter(r.comment for r in ordinary if r.comment)
    assert max(comments.values()) <= 4


def test_the_shipped_policy_finds_the_reason_that_was_meant() -> None:
    """Each bad answer's comment names its theme in words the policy knows, or none at all."""
    finder = ThemeFinder(load_yaml(CONFIG / "policy.yaml", Policy).value)
    wrong = [
        r.comment
        for r in everything()
        if r.score is not None
        and r.score <= 6
        and finder.read({"comment": r.comment}, "detractor").theme != r.theme
    ]
    assert wrong == []


def test_only_detractors_name_a_pain() -> None:
    """The theme is the reason of a bad score."""
    assert all(r.theme is None for r in responses() if r.score is not None and r.score > 6)


def test_the_shipped_policy_hears_no_complaint_of_a_promoter() -> None:
    """Who complains is asked for nothing, and the invitations counted on would not go out."""
    finder = ThemeFinder(load_yaml(CONFIG / "policy.yaml", Policy).value)
    complaints = {
        response.comment: (told.pains, told.escalations)
        for response in responses()
        if response.comment and segment_of(response) == "promoter"
        for told in [finder.read({"comment": response.comment}, "promoter")]
        if told.pains or told.escalations
    }

    assert complaints == {}


def test_ids_and_customers_are_told_apart() -> None:
    """One ordinary answer per customer, no case shares one, and only repeats share an id."""
    ordinary, special = responses(), cases()
    emails = [r.email.lower() for r in ordinary] + [case.email.lower() for case in special]
    assert len(emails) == len(set(emails))
    ids = [r.id for r in ordinary] + list({post.send.id for case in special for post in case.posts})
    assert len(ids) == len(set(ids))
    for case in special:
        assert len({post.send.email.lower() for post in case.posts}) == 1


@pytest.mark.parametrize(
    "name",
    [
        "duplicate",
        "revision",
        "late",
        "future",
        "malformed",
        "undecodable",
        "forged",
        "stale",
        "unknown-source",
        "promoter-no-consent",
        "passive-no-consent",
        "twice",
        "corrected",
        "zero",
        "no-score",
        "too-old",
    ],
)
def test_each_special_case_is_there(name: str) -> None:
    """Each of them once, with a sentence that says why."""
    (case,) = [case for case in cases() if case.name == name]
    assert case.why.endswith(".")
