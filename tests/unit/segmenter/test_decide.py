"""The decision: who she is, what happened, what may be done, and why."""

from collections.abc import Callable
from uuid import UUID

import pytest

from services.segmenter.decide.decide import Due, decide, silence
from services.segmenter.profile.profile import rebuild
from services.segmenter.profile.state import Profile
from shared.events import ids, outcomes
from shared.events.decisions import CustomerDecided
from shared.events.envelope import Event, decode, encode
from shared.events.feedback import Provenance, ResponseLink, TimerDue
from shared.events.vocabulary import ConsentStatement, Value
from tests.builders.facts import (
    ANNA,
    NOON,
    answered,
    case,
    completed,
    day,
    fact,
    ids_of,
    invited,
    opted_out,
    reported,
    rulebook,
    says,
    settled,
    updated,
)

SHE = UUID(int=7)


def answered_with(provenance: Provenance, *consents: ConsentStatement) -> Event:
    """An answer from a source of that provenance."""
    return answered("r1", 3, consents=consents, provenance=provenance)


def updated_with(provenance: Provenance, *consents: ConsentStatement) -> Event:
    """What a CRM tells of people of that provenance."""
    return updated(consents=consents, provenance=provenance)


def decided(*told: Event, merged: bool = False) -> CustomerDecided:
    """Decide about the last event after all the others."""
    *earlier, last = [fact(one) for one in told]
    return decide(
        rebuild(earlier),
        rebuild([*earlier, last]),
        last,
        rulebook(),
        day(1),
        customer_id=SHE,
        version=len(told),
        merged=merged,
    )


@pytest.mark.parametrize(
    ("before", "score", "move"),
    [
        pytest.param([], 0, ("first", None, "detractor"), id="the first answer, and 0 is a score"),
        pytest.param([6], 7, ("up", "detractor", "passive"), id="up"),
        pytest.param([9], 6, ("down", "promoter", "detractor"), id="down"),
        pytest.param([7], 8, ("same", "passive", "passive"), id="same"),
        pytest.param([3, 9], 10, ("same", "promoter", "promoter"), id="against the one before"),
    ],
)
def test_an_answer_brings_a_move(
    before: list[int], score: int, move: tuple[str, str | None, str]
) -> None:
    """The move compares an answer with the answer before it."""
    history = [answered(f"r{n}", s, at=day(n - 9)) for n, s in enumerate(before)]
    found = decided(*history, answered("now", score))
    assert found.move is not None
    assert (found.move.kind, found.move.before, found.move.after) == move
    assert found.snapshot.segment == move[2]


def test_a_revision_tells_the_move_of_the_whole_answer() -> None:
    """A score corrected from 3 to 9 is a move from the answer before, not from 3."""
    found = decided(
        answered("r0", 7, at=day(-9)), answered("r1", 3, revision=1), answered("r1", 9, revision=2)
    )
    assert found.move is not None
    assert (found.move.kind, found.move.before) == ("up", "passive")
    assert found.cause.id == ids.response_cause("demo", "nps", "r1")


def test_a_late_answer_enters_the_history_only() -> None:
    """It changes neither segment nor move, and says so."""
    found = decided(answered("new", 9), answered("old", 2, at=day(-5)))
    assert found.cause.late
    assert found.move is None
    assert (found.snapshot.segment, found.snapshot.previous_segment) == ("promoter", "detractor")
    assert found.snapshot.response_count == 2
    assert "late" in {line.rule for line in found.trace}


@pytest.mark.parametrize(
    ("told", "late", "move", "segment"),
    [
        pytest.param(
            [
                answered("new", 9),
                answered("old", 2, at=day(-5), revision=1),
                answered("old", 7, at=day(-5), revision=2),
            ],
            True,
            None,
            "promoter",
            id="a revision of a late answer is late",
        ),
        pytest.param(
            [
                answered("r0", 7, at=day(-5)),
                answered("r1", 3, revision=1),
                answered("r1", 8, revision=2),
            ],
            False,
            ("same", "passive", "passive"),
            "passive",
            id="a revision of the newest is compared with the answer before, not with itself",
        ),
        pytest.param(
            [answered("r1", 3, revision=1), answered("r1", revision=2, score=None, comment="Hm")],
            False,
            ("first", None, "detractor"),
            "detractor",
            id="a revision without a score leaves it",
        ),
        pytest.param(
            [answered("a", 9), answered("b", 3)],
            False,
            ("down", "promoter", "detractor"),
            "detractor",
            id="answered at one moment: the higher identity is the newer",
        ),
        pytest.param(
            [answered("b", 3), answered("a", 9)],
            True,
            None,
            "detractor",
            id="answered at one moment, told the other way round",
        ),
    ],
)
def test_what_a_message_about_an_answer_brings(
    told: list[Event], late: bool, move: tuple[str, str | None, str] | None, segment: str
) -> None:
    """Late or not, and the move, follow from the answers in their order, not from the telling."""
    found = decided(*told)
    assert found.cause.late is late
    assert (found.move and (found.move.kind, found.move.before, found.move.after)) == move
    assert found.snapshot.segment == segment


def test_a_cleared_score_is_an_answer_without_one() -> None:
    """An explicit null takes the only score back: no segment, no move, nothing for a play."""
    cleared = answered("r1", revision=2, cleared=("score",))
    found = decided(answered("r1", 3, revision=1), cleared)
    assert (found.snapshot.segment, found.snapshot.response_count) == (None, 0)
    assert (found.cause.triggers, found.cause.late, found.move) == ((), False, None)
    before = decided(answered("r0", 9, at=day(-5)), answered("r1", 3, revision=1), cleared)
    assert (before.snapshot.segment, before.snapshot.previous_segment) == ("promoter", None)


def test_an_answer_dated_in_the_future_counts_as_of_its_receipt_and_is_marked() -> None:
    """A later answer replaces it."""
    future = answered("r1", 2, origin="future")
    marked = decided(future)
    assert marked.snapshot.last_answered_at == NOON
    assert ("answered_at", "future") in {(line.rule, line.outcome) for line in marked.trace}
    replaced = decided(future, answered("r2", 9, at=day(0.5)))
    assert replaced.snapshot.segment == "promoter"


@pytest.mark.parametrize(
    ("told", "kind", "triggers"),
    [
        pytest.param(answered("r", 3), "response", ("received", "settled"), id="complete"),
        pytest.param(
            answered("r", 3, complete=False), "response", ("received",), id="not yet complete"
        ),
        pytest.param(answered("r", comment="Hm"), "response", (), id="no score yet"),
        pytest.param(updated(), "customer", ("updated",), id="the CRM"),
        pytest.param(invited(), "survey_contact", ("contacted",), id="an invitation"),
        pytest.param(opted_out(), "survey_contact", ("contacted",), id="an opt-out"),
        pytest.param(
            reported(outcomes.MessageSent), "message", ("contacted",), id="another's message"
        ),
        pytest.param(settled(SHE), "message", ("contacted",), id="our own delivery"),
        pytest.param(case("opened"), "case", ("case_opened",), id="a case"),
        pytest.param(case("resolved"), "case", ("case_resolved",), id="a case resolved"),
        pytest.param(case("reopened"), "case", ("case_reopened",), id="a case once more"),
        pytest.param(completed(), "action", ("action_completed",), id="a review"),
        pytest.param(answered("r", 3, history=True), "response", (), id="imported"),
        pytest.param(answered("r", 5, metric="stars"), "response", (), id="five stars"),
    ],
)
def test_a_cause_says_which_plays_may_look(
    told: Event, kind: str, triggers: tuple[str, ...]
) -> None:
    """No play runs on what our own deliveries bring about."""
    found = decided(updated(at=day(-1)), told)
    assert (found.cause.kind, found.cause.triggers) == (kind, triggers)
    assert found.cause.deadline_from == NOON


def test_a_merge_is_a_trigger_of_its_own() -> None:
    """The event that linked two customers says so, unless nobody may react to it."""
    assert decided(updated(), merged=True).cause.triggers == ("updated", "merged")
    assert decided(case("opened"), merged=True).cause.triggers == ("case_opened", "merged")
    assert decided(answered("r", 3, history=True), merged=True).cause.triggers == ()


def test_an_imported_answer_builds_the_profile_and_nobody_reacts() -> None:
    """Segment, move and clocks follow from it, and the trace says why no play runs."""
    found = decided(answered("r1", 3, history=True))
    assert (found.snapshot.segment, found.cause.triggers) == ("detractor", ())
    assert found.move is not None
    assert "survey_family" in {hold.rule for hold in found.holds}
    assert ("history", "no reaction") in {(line.rule, line.outcome) for line in found.trace}


def test_a_hold_that_ends_brings_no_imported_answer_up() -> None:
    """A year of imported answers does not become a year of reactions when the clocks run out."""
    profile = rebuild([fact(answered("r1", 9, history=True))])
    data = TimerDue(kind="hold_end", customer_id=SHE, arm=1, due_at=day(30))
    due = Due(ids.timer_event("hold_end", SHE, "", 1), data)
    found = decide(profile, profile, due, rulebook(), day(30), customer_id=SHE, version=2)
    assert (found.cause.kind, found.cause.triggers) == ("timer", ())
    assert "history" in {line.rule for line in found.trace}


def test_another_metric_leaves_the_segment_and_counts_as_an_answer() -> None:
    """The newest score of NPS stays hers; the survey clocks start with the other answer."""
    found = decided(answered("r1", 9, at=day(-5)), answered("r2", 1, metric="csat"))
    assert (found.snapshot.segment, found.snapshot.response_count) == ("promoter", 1)
    assert found.move is None
    assert {hold.rule: hold.until for hold in found.holds}["any_survey"] == day(30)
    assert ("metric", "csat") in {(line.rule, line.outcome) for line in found.trace}


@pytest.mark.parametrize("tell", [answered_with, updated_with])
def test_a_bought_address_brings_no_consent(tell: Callable[..., Event]) -> None:
    """Its yes is unknown, which is no; its no is obeyed; both of an own source count."""
    yes, no = says(granted=True), says(granted=False, channel="sms", purpose="service")
    bought, own = decided(tell("bought", yes, no)), decided(tell("own", yes, no))

    def allowed(found: CustomerDecided) -> tuple[bool, bool]:
        answers = {(p.contact_class, p.channel): p.allowed for p in found.permits}
        return answers["marketing", "email"], answers["service", "sms"]

    assert (allowed(bought), allowed(own)) == ((False, False), (True, False))
    assert ("provenance", "unknown") in {(line.rule, line.outcome) for line in bought.trace}
    assert "provenance" not in {line.rule for line in own.trace}
    earlier = decided(updated_with("own", yes), tell("bought"))
    assert allowed(earlier)[0]


def test_a_case_and_its_steps_are_one_cause() -> None:
    """So that what answers a case is done once; an older step that comes late is history."""
    opened, resolved = case("opened"), case("resolved", at=day(0.5))
    found = decided(opened, resolved)
    assert found.cause.id == decided(opened).cause.id == ids.case_cause("helpdesk/1")
    assert (found.cause.source, found.cause.late) == ("helpdesk", False)
    assert "open_case" not in {hold.rule for hold in found.holds}
    late = decided(resolved, opened)
    assert late.cause.late
    assert "open_case" not in {hold.rule for hold in late.holds}
    reasons = {line.rule: line.reason for line in late.trace}
    assert reasons["late"].startswith("a later step of the case")


def test_an_open_case_stops_surveys_and_offers_and_lets_service_go() -> None:
    """Somebody works on her problem: she is neither asked nor sold to, and may be answered."""
    found = decided(answered("r1", 9, at=day(-200)), case("opened"))
    (hold,) = [hold for hold in found.holds if hold.rule == "open_case"]
    assert hold.classes == ("survey", "marketing")
    assert found.snapshot.next_survey_at == hold.until


def test_a_case_about_an_answer_names_its_survey() -> None:
    """A play may look at the survey whose answer brought the case."""
    link = ResponseLink(source="demo", survey="nps", response_id="r1")
    found = decided(answered("r1", 2), case("opened", email=None, response=link))
    assert (found.cause.source, found.cause.survey) == ("demo", "nps")


def test_what_was_completed_is_named() -> None:
    """Cause and trace say what it was."""
    found = decided(updated(), completed("referral"))
    assert found.cause.what == "referral"
    assert ("action", "referral") in {(line.rule, line.outcome) for line in found.trace}


def test_a_timer_brings_the_newest_answer_up_again() -> None:
    """Its cause is the answer and its age counts from it, so that nobody is told twice."""
    profile = rebuild([fact(answered("r1", 3))])
    data = TimerDue(kind="hold_end", customer_id=SHE, arm=1, due_at=day(14))
    due = Due(ids.timer_event("hold_end", SHE, "", 1), data)
    found = decide(profile, profile, due, rulebook(), day(13.9), customer_id=SHE, version=2)
    assert found.cause.id == ids.response_cause("demo", "nps", "r1")
    assert (found.cause.triggers, found.cause.deadline_from) == (("timer",), NOON)
    assert "marketing_rest" not in {hold.rule for hold in found.holds}
    nobody = decide(Profile(), Profile(), due, rulebook(), day(14), customer_id=SHE, version=1)
    assert (nobody.cause.id, nobody.cause.deadline_from) == (ids.event_cause(due.event_id), day(14))


def test_the_snapshot_has_what_platforms_are_told() -> None:
    """Named attributes have fields of their own; the others stay by name, cleared ones as null."""
    known = updated(
        *ids_of(ANNA, external_id="C-1", phone="+33612345678"),
        attributes={
            "title": "Mme",
            "first_name": "Anna",
            "last_name": "Durand",
            "tone": "tu",
            "group": "household-7",
            "country": "be",
            "orders": 3,
            "store": None,
        },
    )
    found = decided(known, answered("r1", 9, comment="Livraison rapide", language="fr"))
    seen = found.snapshot
    assert (seen.title, seen.first_name, seen.last_name, seen.tone) == (
        "Mme",
        "Anna",
        "Durand",
        "tu",
    )
    assert (seen.language, seen.comment, seen.theme) == ("fr", "Livraison rapide", "delivery")
    assert seen.attributes == {"country": "be", "orders": 3, "store": None}
    assert (found.group, found.zone) == ("household-7", "Europe/Brussels")
    assert [identifier.kind for identifier in found.identifiers] == [
        "external_id",
        "email",
        "phone",
    ]


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param("Sie", id="a word of no meaning here"),
        pytest.param("", id="nothing"),
        pytest.param(7, id="a number"),
        pytest.param(1e300, id="a huge number"),
        pytest.param(float("inf"), id="infinity"),
        pytest.param(True, id="a yes"),
        pytest.param(["tu", "vous"], id="a list"),
        pytest.param(None, id="cleared"),
    ],
)
def test_no_attribute_however_odd_stops_a_decision(odd: Value) -> None:
    """What is not understood is left out, and the decision still fits the wire."""
    names = ("tone", "language", "group", "zone", "country", "title", "first_name", "last_name")
    dates = ("customer_since", "contact_hold_until")
    known = updated(attributes=dict.fromkeys((*names, *dates, "other"), odd))
    found = decided(known, answered("r1", 3, language=odd, comment=odd, callback_requested=odd))
    again = decode(encode(Event(id=SHE, source="test", time=NOON, data=found)))
    assert (found.snapshot.tone, found.zone, found.snapshot.score) == (None, "Europe/Paris", 3)
    assert again.type == "customer.decided"


@pytest.mark.parametrize(
    ("attributes", "zone", "origin"),
    [
        pytest.param({"zone": "America/Guadeloupe"}, "America/Guadeloupe", "attribute", id="said"),
        pytest.param({"zone": "Mars/Base", "country": "GB"}, "Europe/London", "country", id="odd"),
        pytest.param({"country": "XX"}, "Europe/Paris", "default", id="unknown country"),
        pytest.param({}, "Europe/Paris", "default", id="nothing said"),
    ],
)
def test_the_zone_is_found_and_its_origin_told(
    attributes: dict[str, str], zone: str, origin: str
) -> None:
    """Attribute, then country, then default."""
    found = decided(updated(attributes=attributes))
    line = next(line for line in found.trace if line.rule == "zone")
    assert (found.zone, line.outcome, line.reason) == (zone, zone, f"from: {origin}")


def test_an_address_that_bounced_comes_last() -> None:
    """The first address of a kind is the one to write to: working, then named last."""
    found = decided(
        updated(*ids_of(ANNA, external_id="C-1")),
        updated(*ids_of("old@example.com", external_id="C-1"), at=day(-9)),
        updated(*ids_of("new@example.com", external_id="C-1"), at=day(0.1)),
        reported(outcomes.MessageBounced, "new@example.com", at=day(0.2)),
    )
    emails = [identifier.value for identifier in found.identifiers if identifier.kind == "email"]
    assert emails == [ANNA, "old@example.com", "new@example.com"]


def test_a_decision_stays_small_however_much_is_known() -> None:
    """A customer number given to thousands makes one odd customer, not a record that is refused."""
    told = [
        updated(
            *ids_of(f"p{n}@example.com", external_id="0"),
            at=day(n / 1000),
            attributes={f"field-{n}": "x" * 1000},
        )
        for n in range(1500)
    ]
    found = decided(*told)
    assert [one.value for one in found.identifiers][:2] == ["0", "p1499@example.com"]
    assert (len(found.identifiers), len(found.snapshot.attributes)) == (21, 200)
    assert "field-1499" in found.snapshot.attributes


@pytest.mark.parametrize(
    ("earlier", "told", "silent"),
    [
        pytest.param([], answered("r", 3, email=None), True, id="nobody is known"),
        pytest.param([], answered("r", 3), False, id="an answer"),
        pytest.param([answered("r", 3)], updated(at=NOON), False, id="the CRM, even unchanged"),
        pytest.param([answered("r", 3)], settled(SHE), False, id="a contact of ours"),
        pytest.param(
            [answered("r", 3)], settled(SHE, state="suppressed"), True, id="nothing was sent"
        ),
        pytest.param(
            [answered("r", 3), settled(SHE)], settled(SHE, change=2), True, id="told already"
        ),
        pytest.param(
            [answered("r", 3)], reported(outcomes.MessageDelivered), True, id="it arrived"
        ),
        pytest.param([answered("r", 3)], reported(outcomes.MessageBounced), False, id="it bounced"),
        pytest.param(
            [answered("r", 3), reported(outcomes.MessageBounced)],
            reported(outcomes.MessageBounced, at=day(1)),
            True,
            id="it bounced once more",
        ),
        pytest.param(
            [answered("r", 3), reported(outcomes.MessageBounced)],
            reported(outcomes.MessageDelivered, at=day(1)),
            False,
            id="it arrived where it had bounced",
        ),
        pytest.param([], case("opened", email=None), True, id="a case of nobody known"),
        pytest.param([answered("r", 3)], case("opened"), False, id="a case"),
        pytest.param([answered("r", 3)], completed(), False, id="a review"),
    ],
)
def test_what_no_gate_reads_is_not_published(
    earlier: list[Event], told: Event, silent: bool
) -> None:
    """So that a decision's outcome never brings the next decision, for ever."""
    before = rebuild(map(fact, earlier))
    after = rebuild(map(fact, [*earlier, told]))
    assert (silence(before, after, fact(told), merged=False) is not None) is silent
