"""How a platform is asked to delete a person, and what becomes of it: tables of cases."""

import uuid
from datetime import timedelta

import pytest

from services.dispatcher.calls.calls import Outcome, Verdict
from services.dispatcher.consume.forgetting import ended
from services.dispatcher.delivery import TargetRules
from services.dispatcher.ledger.deletion import (
    KEPT,
    REFUSED_WAIT,
    Naming,
    impossible,
    judge_deletion,
    namings,
)
from shared.events.outcomes import DeliveryState
from shared.events.vocabulary import Identifier, IdentifierKind
from tests.builders.decisions import NOW
from tests.builders.deliveries import delivery

A, B = uuid.UUID(int=1), uuid.UUID(int=2)
_KINDS: dict[str, IdentifierKind] = {
    "@": "email",
    "+": "phone",
    "#": "external_id",
    "/": "response",
}


def known(said: str) -> tuple[Identifier, ...]:
    """Identifiers, told apart by a sign that each kind has."""
    return tuple(
        Identifier(kind=next(kind for sign, kind in _KINDS.items() if sign in one), value=one)
        for one in said.split()
    )


@pytest.mark.parametrize(
    ("ids", "identifiers", "needs", "expected"),
    [
        pytest.param([A], "a@x +1", (), ["1 a@x +1"], id="one-of-each"),
        pytest.param([A], "", (), ["1"], id="our-id-alone"),
        pytest.param([A], "s/n/1", (), ["1"], id="an-answer-is-no-name"),
        pytest.param([A, B], "a@x", (), ["1 a@x", "2"], id="each-id"),
        pytest.param([A], "a@x b@x a@x", (), ["1 a@x", "1 b@x"], id="each-address-once"),
        pytest.param([A, B], "a@x", ("email",), ["1 a@x"], id="an-id-alone-is-no-help"),
        pytest.param([A], "+1 #7", ("email",), [], id="no-address"),
        pytest.param([A], "a@x +1 +2", ("email",), ["1 a@x +1"], id="by-address-only"),
        pytest.param([A], "a@x b@x #7", ("email", "external_id"), ["1 a@x #7"], id="by-both"),
    ],
)
def test_all_names_of_hers_are_covered_by_as_few_calls_as_it_takes(
    ids: list[uuid.UUID], identifiers: str, needs: tuple[str, ...], expected: list[str]
) -> None:
    """Each id, and each identifier that the platform can use, is named once at least."""
    found = namings(ids, known(identifiers), needs)
    shown = [
        " ".join([str(one.customer_id.int), *(i.value for i in one.identifiers)]) for one in found
    ]
    assert shown == expected


@pytest.mark.parametrize(
    ("erased_by", "found", "word"),
    [
        pytest.param(None, 1, "takes no deletion", id="cannot"),
        pytest.param(("email",), 0, "no email of hers is known", id="no-name"),
        pytest.param(("email",), 1, None, id="can"),
        pytest.param((), 1, None, id="by-our-id"),
    ],
)
def test_what_cannot_be_asked_is_told_with_the_reason(
    erased_by: tuple[IdentifierKind, ...] | None, found: int, word: str | None
) -> None:
    """It ends in the receipt, for a person to ask by hand."""
    reason = impossible(
        TargetRules("one", 1, erased_by=erased_by), [Naming(A, known("a@x"))] * found
    )
    assert (reason is None) == (word is None)
    assert reason is None or word is None or (word in reason and "by hand" in reason)


_WAIT = timedelta(seconds=7)


@pytest.mark.parametrize(
    ("outcome", "wait", "state", "after"),
    [
        pytest.param("ok", None, "done", None, id="ok"),
        pytest.param("accepted", None, "done", None, id="accepted"),
        pytest.param("throttle", _WAIT, "due", _WAIT, id="throttle"),
        pytest.param("disable_target", _WAIT, "due", _WAIT, id="no-access"),
        pytest.param("reject", None, "due", REFUSED_WAIT, id="refused"),
        pytest.param("park", None, "due", REFUSED_WAIT, id="several-match"),
        pytest.param("suppressed", None, "due", REFUSED_WAIT, id="forbidden"),
    ],
)
def test_a_deletion_is_due_again_until_it_is_done(
    outcome: Outcome, wait: timedelta | None, state: str, after: timedelta | None
) -> None:
    """What the platform refuses is asked again a day later."""
    told = judge_deletion(A, Verdict(outcome, "why", wait), attempt=1, asked_at=NOW, now=NOW)
    assert (told.state, told.reason) == (state, "why")
    assert told.due == (None if after is None else NOW + after)


@pytest.mark.parametrize("outcome", ["retry", "in_doubt"])
def test_an_unanswered_deletion_is_repeated_like_any_call(outcome: Outcome) -> None:
    """Repeating it is harmless; the waits grow as they do elsewhere."""
    waits = []
    for attempt in (1, 2, 3):
        told = judge_deletion(A, Verdict(outcome, "-"), attempt=attempt, asked_at=NOW, now=NOW)
        assert told.due is not None
        waits.append(told.due - NOW)
    assert waits == sorted(waits)
    assert timedelta(seconds=4) <= waits[0] <= timedelta(seconds=6)


def test_a_try_that_would_come_after_the_month_is_the_last() -> None:
    """The law gives a month; what is not done by then is asked for by hand."""
    verdict = Verdict("reject", "HTTP 400")
    early = judge_deletion(A, verdict, attempt=9, asked_at=NOW, now=NOW + KEPT - timedelta(days=2))
    last = judge_deletion(A, verdict, attempt=9, asked_at=NOW, now=NOW + KEPT - REFUSED_WAIT)
    assert early.state == "due"
    assert (last.state, last.due) == ("by_hand", None)
    assert "ask there by hand" in last.reason
    assert "HTTP 400" in last.reason


@pytest.mark.parametrize(
    ("state", "unanswered", "after"),
    [
        pytest.param("planned", False, "superseded", id="planned"),
        pytest.param("waiting", False, "superseded", id="waiting"),
        pytest.param("waiting", True, "in_doubt", id="may-have-reached-her"),
        pytest.param("parked", False, "superseded", id="parked"),
        pytest.param("sending", False, "in_doubt", id="in-flight"),
        pytest.param("in_doubt", True, None, id="in-doubt"),
        pytest.param("accepted", False, None, id="accepted"),
        pytest.param("suppressed", False, None, id="suppressed"),
        pytest.param("superseded", False, None, id="superseded"),
        pytest.param("expired", False, None, id="expired"),
        pytest.param("rejected", False, None, id="rejected"),
    ],
)
def test_how_a_forgotten_customers_delivery_ends(
    state: DeliveryState, unanswered: bool, after: DeliveryState | None
) -> None:
    """Whatever may have happened is in doubt; whatever has not will not."""
    since = NOW if unanswered else None
    found = ended(delivery(state=state, unanswered_since=since))
    assert (found and found.state) == after
    assert found is None or (found.reason, found.due) == ("she was erased", None)
