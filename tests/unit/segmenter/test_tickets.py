"""Tickets: the number that a helpdesk gave makes its case and ours one, whatever comes first."""

from datetime import datetime
from itertools import permutations
from typing import Any

import pytest

from services.segmenter.api import showing
from services.segmenter.cases import cases
from services.segmenter.decide.decide import decide, silence
from services.segmenter.identity.merges import by_number
from services.segmenter.profile.facts import fact_of
from services.segmenter.profile.profile import rebuild, step, trim
from services.segmenter.profile.state import Profile, dump, load
from shared.events import ids
from shared.events.envelope import Event
from shared.events.feedback import ResponseLink
from tests.builders.facts import (
    NOON,
    answered,
    case,
    day,
    fact,
    rulebook,
    settled,
    shipped_policy,
    updated,
)

SHE, OTHER, NOBODY = ids.name_id("she"), ids.name_id("other"), ids.name_id("nobody")
POLICY = shipped_policy().value
LINK = ResponseLink(source="demo", survey="nps", response_id="r1")
OURS = f"nps/{ids.case_of(ids.response_cause('demo', 'nps', 'r1'))}"
ANSWER = answered("r1", 3)
OPENED = case("opened", OURS, response=LINK)
THEIRS = case("opened", "helpdesk/4711", at=day(0.1))
SOLVED = case("resolved", "helpdesk/4711", email=None, at=day(2))


def ticket(reference: str | None = "4711", *, at: datetime = NOON, **changes: Any) -> Event:
    told = {"channel": "ticket", "target": "helpdesk", "case_id": OURS, **changes}
    return settled(
        SHE, f"alert {reference}", at=at, contact_class="internal", reference=reference, **told
    )


def profile(*told: Event) -> Profile:
    return rebuild(fact(one) for one in told)


def test_the_helpdesk_s_steps_are_steps_of_our_case_in_any_order() -> None:
    """One case, opened with the answer, resolved by the helpdesk's word about its ticket."""
    seen = [profile(*told) for told in permutations((ANSWER, OPENED, THEIRS, ticket(), SOLVED))]
    assert all(one == seen[0] for one in seen)
    ((case_id, found),) = cases.counting(seen[0])
    assert (case_id, found.open, found.opened_at, found.at) == (OURS, False, NOON, day(2))
    assert found.answer == "demo/nps/r1"
    assert list(cases.resurveys(seen[0], POLICY)) == [OURS]


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(ticket("9"), id="of another number"),
        pytest.param(ticket(target="other"), id="at another helpdesk"),
        pytest.param(ticket(channel="chat"), id="no ticket but a chat message"),
        pytest.param(ticket(case_id=None), id="for no case"),
        pytest.param(ticket(None), id="without a number"),
        pytest.param(ticket("4" * 600), id="with a number too long for a case"),
    ],
)
def test_what_joins_no_cases(made: Event) -> None:
    """Only the number of a ticket, at the helpdesk that tells of it."""
    found = dict(cases.counting(profile(ANSWER, OPENED, THEIRS, made)))
    assert set(found) == {OURS, "helpdesk/4711"}


def test_a_number_told_of_two_cases_is_that_of_the_first() -> None:
    """A helpdesk that joins two tickets answers one number twice."""
    second = f"nps/{ids.name_id('a second case')}"
    told = (
        *(ANSWER, OPENED, SOLVED, case("opened", second, at=day(0.2))),
        *(ticket(), ticket(at=day(1), case_id=second, change=2)),
    )
    for one in permutations(told):
        seen = profile(*one)
        assert cases.named(seen, "helpdesk/4711") == OURS
        assert {case_id: found.open for case_id, found in cases.counting(seen)} == {
            OURS: False,
            second: True,
        }


def test_the_decision_about_a_step_names_our_case_and_its_number() -> None:
    """The cause is our case's, so what a play did about it is not done again."""
    before = profile(ANSWER, OPENED, ticket())
    solved = fact(SOLVED)
    after = step(before, solved)
    assert after is not None
    found = decide(before, after, solved, rulebook(), day(2), customer_id=SHE, version=4)
    assert found.cause.id == ids.case_cause(OURS)
    assert found.case is not None
    assert (found.case.case_id, found.case.reference) == (OURS, "4711")
    assert "open_case" not in {hold.rule for hold in found.holds}


def test_the_number_is_told_where_it_changes_what_a_gate_reads() -> None:
    """A helpdesk that solved before we knew its number: the hold ends with the number."""
    known = [ANSWER, OPENED]
    made = fact(ticket())
    plain = profile(*known)
    linked = step(plain, made)
    assert linked is not None
    assert silence(plain, linked, made, merged=False) is not None
    solved = profile(*known, SOLVED)
    over = step(solved, made)
    assert over is not None
    assert [len(cases.holding(one, POLICY)) for one in (solved, over)] == [1, 0]
    assert silence(solved, over, made, merged=False) is None


def test_the_customer_s_page_shows_one_case_with_its_number() -> None:
    """And what is stored is read again as it was."""
    found = profile(ANSWER, OPENED, THEIRS, ticket())
    assert load(dump(trim(found))) == found
    shown = showing.customer_view(
        found,
        rulebook(),
        day(1),
        customer_id=SHE,
        aliases=(),
        version=1,
        created_at=NOON,
        decisions=(),
    )
    assert [(one.case_id, one.reference, one.replaced) for one in shown.cases] == [
        (OURS, "4711", False)
    ]


def test_of_many_tickets_the_newest_are_kept_and_facts_know_the_rest() -> None:
    """A delivery told later folds all facts anew: the stored profile no longer knows them all."""
    made = [ticket(str(number), at=day(number)) for number in range(101)]
    kept = trim(profile(updated(), *made))
    assert len(kept.tickets) == 100
    assert "helpdesk/0" not in kept.tickets
    assert step(kept, fact(ticket("0", at=day(0)))) is None


@pytest.mark.parametrize(
    ("linked", "known", "expected"),
    [
        pytest.param((SHE, NOBODY), {SHE: True, NOBODY: False}, (SHE, NOBODY), id="nobody yet"),
        pytest.param((SHE, OTHER), {SHE: True, OTHER: True}, (SHE,), id="somebody known"),
        pytest.param((SHE, SHE), {SHE: True}, (SHE,), id="herself"),
    ],
)
def test_a_number_makes_nobody_one_with_somebody_known(
    linked: tuple[Any, ...], known: dict[Any, bool], expected: tuple[Any, ...]
) -> None:
    """A platform may answer every call with the same word."""
    assert by_number(linked, (SHE,), known) == expected


def test_a_ticket_is_found_by_its_delivery_first() -> None:
    """The delivery says whose it is; the number only leads later steps to her."""
    assert [kind for kind, _ in fact_of(ticket()).keys] == ["delivery", "case"]
