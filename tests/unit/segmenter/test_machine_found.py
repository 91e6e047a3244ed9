"""What the state machine found once, each as a story of its own."""

from datetime import datetime, timedelta
from itertools import permutations
from uuid import UUID

import pytest

from services.segmenter.profile.facts import Key
from services.segmenter.profile.profile import KEPT_RESPONSES
from shared.events import feedback
from shared.events.decisions import CustomerDecided
from shared.events.envelope import Event, decode
from tests.builders.facts import (
    NOON,
    answered,
    case,
    day,
    event,
    ids_of,
    invited,
    rulebook,
    says,
    settled,
    updated,
)
from tests.builders.forgetting import erase_asked
from tests.builders.merging import known_as, merge_asked, unmerge_asked
from tests.builders.segmenter_checks import rebuilt_is_stored
from tests.builders.segmenter_rows import Memory

MINUTE = timedelta(minutes=1)
NUMBER: Key = ("external_id", "C-1")
EMAIL: Key = ("email", "anna@example.com")
LINK = updated(*ids_of("anna@example.com", external_id="C-1"), at=day(1))


def told(segmenter: Memory, *events: Event, now: datetime = NOON) -> list[CustomerDecided]:
    """Handle a batch and give the decisions that it published."""
    found = (decode(lines[-1].encode()).data for lines in segmenter.handle(events, now))
    return [one for one in found if isinstance(one, CustomerDecided)]


def of_kind(events: list[Event], kind: feedback.TimerKind) -> list[Event]:
    return [e for e in events if isinstance(e.data, feedback.TimerDue) and e.data.kind == kind]


def two(now: datetime = NOON) -> tuple[Memory, UUID, UUID]:
    """An older customer of whom a number is known, and one whose answer is a day old."""
    segmenter = Memory(rulebook())
    told(segmenter, known_as("C-1"), now=now - timedelta(days=1))
    told(segmenter, answered("r1", 9, complete=False), now=now)
    rows = segmenter.rows()
    return segmenter, rows.keys[NUMBER], rows.keys[EMAIL]


def test_a_silence_that_rang_before_a_merge_and_comes_after_it_is_told_of_the_survivor() -> None:
    """Its event is on the bus under the name of her who is merged away meanwhile."""
    segmenter, kept, gone = two()
    (due,) = of_kind(segmenter.ring(day(365), close=True), "lapse")
    told(segmenter, merge_asked(kept, gone), now=day(365))
    (decided,) = told(segmenter, due, now=day(365))
    assert (decided.customer_id, decided.cause.triggers) == (kept, ("lapsed",))


def test_a_silence_that_had_not_rung_when_she_was_merged_is_told_of_the_survivor() -> None:
    """The loop was behind: the moment was set and is not told yet."""
    segmenter, kept, gone = two()
    told(segmenter, LINK, now=day(365.1))
    assert segmenter.rows().aliases == {gone: kept}
    (due,) = of_kind(segmenter.ring(day(365.1), close=True), "lapse")
    assert [one.cause.triggers for one in told(segmenter, due, now=day(365.1))] == [("lapsed",)]


def test_the_end_of_a_window_survives_a_merge_and_its_undoing() -> None:
    """Set for her, then for the survivor, and rung of neither when she is somebody again."""
    segmenter, kept, gone = two()
    told(segmenter, merge_asked(kept, gone), now=NOON + MINUTE)
    told(segmenter, unmerge_asked(gone), now=NOON + 9 * MINUTE)
    (due,) = of_kind(segmenter.ring(NOON + 9 * MINUTE, close=True), "settle")
    (decided,) = told(segmenter, due, now=NOON + 9 * MINUTE)
    assert (decided.customer_id, decided.cause.triggers) == (gone, ("settled",))


def test_the_survivor_s_own_window_survives_them_too() -> None:
    """While they were one, a newer answer was looked at; hers is the newest again."""
    segmenter = Memory(rulebook())
    told(segmenter, answered("r1", 9, complete=False))
    newer = answered("r2", 3, email="ben@example.org", at=NOON + MINUTE, complete=False)
    told(segmenter, newer, now=NOON + MINUTE)
    anna, ben = (row.customer_id for row in segmenter.rows().roots())
    told(segmenter, merge_asked(anna, ben), now=NOON + 2 * MINUTE)
    told(segmenter, unmerge_asked(ben), now=NOON + 9 * MINUTE)
    due = of_kind(segmenter.ring(NOON + 9 * MINUTE, close=True), "settle")
    decided = told(segmenter, *due, now=NOON + 9 * MINUTE)
    assert {one.customer_id: one.cause.triggers for one in decided} == {
        anna: ("settled",),
        ben: ("settled",),
    }


def test_merged_after_all_two_are_the_fold_of_what_named_both() -> None:
    """Apart, each had only her own keys of it; by command or by an event they get the others."""
    segmenter = Memory(rulebook())
    told(segmenter, known_as("A"))
    told(segmenter, known_as("B"))
    first, second = (row.customer_id for row in segmenter.rows().roots())
    told(segmenter, merge_asked(first, second), now=day(1))
    told(segmenter, unmerge_asked(second), now=day(2))
    told(segmenter, known_as("A", "B", at=3), now=day(3))
    told(segmenter, merge_asked(first, second, number=2), now=day(4))
    rebuilt_is_stored(segmenter.rows(), segmenter.rows().roots())


def test_the_survey_clocks_hold_again_when_the_question_after_a_case_is_no_more_open() -> None:
    """Three days after its moment a decision says so; until then no gate may have asked."""
    segmenter = Memory(rulebook())
    link = feedback.ResponseLink(source="demo", survey="nps", response_id="r1")
    steps = (case("opened", response=link), case("resolved", at=day(1)))
    told(segmenter, answered("r1", 8), *steps, now=day(1))
    (due,) = of_kind(segmenter.ring(day(16), close=True), "resurvey")
    (asked,) = told(segmenter, due, now=day(16))
    assert not [hold for hold in asked.holds if "survey" in hold.classes]
    (over,) = of_kind(segmenter.ring(day(19), close=True), "hold_end")
    (held,) = told(segmenter, over, now=day(19))
    assert {hold.rule for hold in held.holds if "survey" in hold.classes} >= {"survey_family"}


def test_what_a_report_joins_is_told_even_if_nobody_knew_of_the_one_who_is_gone() -> None:
    """A delivery's report alone tells nothing; the answer that comes along with it does."""
    segmenter = Memory(rulebook())
    told(segmenter, known_as("C-1"))
    told(segmenter, answered("r1", 3, email=None))
    known, unknown = (row.customer_id for row in segmenter.rows().roots())
    told(segmenter, settled(known))
    (decided,) = told(segmenter, settled(unknown, change=2))
    assert segmenter.rows().aliases == {unknown: known}
    assert (decided.customer_id, decided.snapshot.score) == (known, 3)
    assert "survey_family" in {hold.rule for hold in decided.holds}


def test_who_was_kept_apart_from_somebody_forgotten_is_still_given_only_her_own_keys() -> None:
    """An answer whose number was the other one's: that is nobody's now, and not hers."""
    segmenter = Memory(rulebook())
    told(segmenter, invited(), now=NOON)
    link = feedback.ResponseLink(source="demo", survey="nps", response_id="r1")
    told(segmenter, case("opened", "helpdesk/1", email=None, response=link), now=NOON)
    anna, other = (row.customer_id for row in segmenter.rows().roots())
    told(segmenter, merge_asked(anna, other), now=day(1))
    told(segmenter, unmerge_asked(other), now=day(2))
    said = answered("r1", 9, at=day(3), consents=(says(granted=False, at=day(3)),))
    told(segmenter, said, now=day(3))
    segmenter.handle([erase_asked(other)], day(4))
    (row,) = segmenter.rows().roots()
    assert set(row.profile.consents) == {"email|marketing|email:anna@example.com"}
    rebuilt_is_stored(segmenter.rows(), [row])
    told(segmenter, known_as("C-1"), now=day(5))
    told(segmenter, LINK, now=day(6))
    rebuilt_is_stored(segmenter.rows(), segmenter.rows().roots())


def opened(at: int, received: int) -> Event:
    """A copy of the event by which a case is told to be opened; minutes after noon."""
    data = case("opened", "nps/1", at=NOON + at * MINUTE).data
    return event(data, "nps/1", received=NOON + received * MINUTE)


COPIES = (opened(2, 3), opened(0, 3), opened(-1, 4))


@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "one after the other"])
@pytest.mark.parametrize("order", list(permutations(COPIES)))
def test_of_copies_that_differ_the_one_received_first_counts(
    order: tuple[Event, ...], together: bool
) -> None:
    """Received at one moment: the one of what happened first; whichever comes first."""
    segmenter = Memory(rulebook())
    for batch in [order] if together else [[one] for one in order]:
        segmenter.handle(batch, NOON + 5 * MINUTE)
    (row,) = segmenter.rows().roots()
    assert row.profile.cases["nps/1"].opened_at == NOON


def test_an_answer_and_a_timer_tell_the_same_of_who_answered_more_than_is_kept() -> None:
    """For her answer all facts are folded, the end of a hold reads what is stored."""
    segmenter = Memory(rulebook())
    for number in range(KEPT_RESPONSES + 5):
        one = answered(f"r{number}", 9, at=NOON + number * MINUTE)
        (decided, *_) = told(segmenter, one, now=NOON + number * MINUTE)
    (due,) = of_kind(segmenter.ring(day(100), close=True), "hold_end")
    (later,) = told(segmenter, due, now=day(100))
    assert later.snapshot.streak == decided.snapshot.streak == KEPT_RESPONSES
    assert later.snapshot.response_count == decided.snapshot.response_count == KEPT_RESPONSES + 5
    first = told(segmenter, answered("r0", 3, revision=1), now=day(101))[-1]
    assert (first.cause.late, first.snapshot.score) == (True, 9)
