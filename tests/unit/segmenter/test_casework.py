"""Cases: which answer opens one, by when somebody calls, when she is asked, what came of it."""

from datetime import UTC, date, datetime

import pytest

from services.segmenter.cases import cases, opening
from services.segmenter.cases.workdays import later
from services.segmenter.decide.clocks import open_case
from services.segmenter.decide.decide import Due, decide
from services.segmenter.decide.moments import stands
from services.segmenter.decide.waits import waits
from services.segmenter.policy.cases import BusinessHours, Cases, Opening, Value
from services.segmenter.policy.whole import Policy
from services.segmenter.profile.profile import rebuild
from services.segmenter.profile.state import Profile
from shared.events import ids
from shared.events.decisions import CustomerDecided, Snapshot
from shared.events.envelope import Event
from shared.events.feedback import CaseOpened, ResponseLink, TimerDue
from tests.builders.facts import (
    NOON,
    answered,
    case,
    day,
    event,
    fact,
    rulebook,
    settled,
    shipped_policy,
    updated,
)

SHE = ids.name_id("she")
POLICY = shipped_policy().value
LINK = ResponseLink(source="demo", survey="nps", response_id="r1")
OURS = f"nps/{ids.case_of(ids.response_cause('demo', 'nps', 'r1'))}"


def profile(*told: Event) -> Profile:
    return rebuild(fact(one) for one in told)


def decided(*told: Event, policy: Policy = POLICY, now: datetime = NOON) -> CustomerDecided:
    """Decide about the last event after all the others."""
    before, after = profile(*told[:-1]), profile(*told)
    return decide(
        before, after, fact(told[-1]), rulebook(policy), now, customer_id=SHE, version=len(told)
    )


def with_cases(**rules: object) -> Policy:
    return POLICY.model_copy(update={"cases": Cases.model_validate(rules)})


def test_a_detractor_s_answer_opens_a_case_whose_id_the_decision_has() -> None:
    """Its event is the case's, about that answer, as of the answer."""
    told = answered("r1", 3)
    found = decided(told)
    assert found.case is not None
    assert (found.case.case_id, found.case.opened_at) == (OURS, NOON)
    assert found.case.reason == "the answer is a detractor's"
    opened = opening.event(found, profile(told))
    assert opened is not None
    assert opened.id == cases.opened_event(OURS)
    assert opened.data == CaseOpened(case_id=OURS, occurred_at=NOON, response=LINK)


@pytest.mark.parametrize(
    "told",
    [
        pytest.param([answered("r1", 9)], id="a promoter's"),
        pytest.param([answered("r1", 3, history=True)], id="imported"),
        pytest.param([answered("r2", 9, at=day(1)), answered("r1", 3)], id="late"),
        pytest.param([answered("r1", 3), updated(at=day(1))], id="what a CRM tells later"),
        pytest.param(
            [answered("r1", comment="Hm"), case("opened", response=LINK), answered("r1", 3)],
            id="a helpdesk was faster",
        ),
    ],
)
def test_what_opens_no_case(told: list[Event]) -> None:
    """Nobody works on what is good, old, or in somebody's hands."""
    assert decided(*told).case is None


def test_a_case_known_already_is_named_and_not_opened_again() -> None:
    """A revision of the answer finds its case; resolved, it is no longer the answer's."""
    known = case("opened", OURS, response=LINK)
    told = [answered("r1", 3, revision=1), known, answered("r1", 2, revision=2)]
    found = decided(*told)
    assert found.case is not None
    assert (found.case.case_id, found.case.reason) == (OURS, "opened before")
    assert opening.event(found, profile(*told)) is None
    over = case("resolved", OURS, at=day(1))
    assert decided(told[0], known, over, answered("r1", 2, revision=2)).case is None


@pytest.mark.parametrize(
    ("rule", "seen", "opens"),
    [
        pytest.param(Opening(), Snapshot(segment="detractor"), True, id="a detractor"),
        pytest.param(Opening(segments=()), Snapshot(segment="detractor"), False, id="nobody"),
        pytest.param(
            Opening(themes=("service",)),
            Snapshot(segment="detractor", theme="service"),
            True,
            id="about this theme",
        ),
        pytest.param(
            Opening(themes=("service",)),
            Snapshot(segment="detractor", theme="price", pains=("price", "service")),
            True,
            id="about this theme, too",
        ),
        pytest.param(
            Opening(themes=("service",)),
            Snapshot(segment="detractor", theme="price"),
            False,
            id="about another theme",
        ),
        pytest.param(
            Opening(value=Value(attribute="mrr", least=500)),
            Snapshot(segment="detractor", attributes={"mrr": 500}),
            True,
            id="worth it",
        ),
        pytest.param(
            Opening(value=Value(attribute="mrr", least=500)),
            Snapshot(segment="detractor", attributes={"mrr": 499.9}),
            False,
            id="not worth it",
        ),
        pytest.param(
            Opening(value=Value(attribute="mrr", least=500)),
            Snapshot(segment="detractor"),
            False,
            id="of unknown worth",
        ),
        pytest.param(
            Opening(themes=("service",), escalations=("safety",)),
            Snapshot(segment="promoter", escalations=("safety",)),
            True,
            id="an escalation beats the band",
        ),
    ],
)
def test_the_policy_says_which_answers_open_a_case(
    rule: Opening, seen: Snapshot, opens: bool
) -> None:
    """By segment, theme and value; escalations in any case."""
    assert (opening.reason_to_open(seen, rule) is not None) is opens


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "due", "week"),
    [
        pytest.param("2026-03-10 12:00", "2026-03-11 12:00", BusinessHours(), id="within the week"),
        pytest.param(
            "2026-03-13 12:00", "2026-03-15 12:00", BusinessHours(), id="Friday: the ceiling"
        ),
        pytest.param(
            "2026-03-14 22:00",
            "2026-03-16 22:00",
            BusinessHours(),
            id="Saturday night: the ceiling",
        ),
        pytest.param(
            "2026-03-15 12:00", "2026-03-16 23:00", BusinessHours(), id="Sunday: all of Monday"
        ),
        pytest.param(
            "2026-03-28 23:30", "2026-03-30 22:00", BusinessHours(), id="the night of 23 hours"
        ),
        pytest.param(
            "2026-03-10 12:00",
            "2026-03-12 12:00",
            BusinessHours(holidays=(date(2026, 3, 11),)),
            id="a holiday",
        ),
        pytest.param(
            "2026-03-10 12:00",
            "2026-03-12 12:00",
            BusinessHours(opens="09:00", closes="17:00"),
            id="offices of eight hours: the ceiling",
        ),
    ],
)
def test_somebody_calls_within_business_hours_and_the_ceiling(
    start: str, due: str, week: BusinessHours
) -> None:
    """24 business hours in Paris, 48 hours in any case."""
    found = opening.due_at(moment(start), Cases(business_hours=week))
    assert found == moment(due)


def test_business_hours_count_only_when_somebody_is_there() -> None:
    """Ten hours of eight-hour days: two of them on the next."""
    week = BusinessHours(zone="UTC", opens="09:00", closes="17:00")
    far = moment("2026-04-30 00:00")
    assert later(moment("2026-03-13 08:00"), 10, week, far) == moment("2026-03-16 11:00")
    assert later(moment("2026-03-13 16:00"), 1, week, far) == moment("2026-03-13 17:00")
    assert later(moment("2026-03-13 19:00"), 1, week, far) == moment("2026-03-16 10:00")


def test_a_helpdesk_s_case_about_the_answer_takes_the_place_of_ours() -> None:
    """Resolved there, it no longer holds her, though nobody ever closed ours."""
    ours = [answered("r1", 3), case("opened", OURS, response=LINK)]
    theirs = case("opened", at=day(1), response=LINK)
    over = case("resolved", email=None, at=day(2))
    assert open_case(profile(*ours), POLICY) is not None
    assert open_case(profile(*ours, theirs), POLICY) is not None
    assert open_case(profile(*ours, theirs, over), POLICY) is None
    assert open_case(profile(over, theirs, *reversed(ours)), POLICY) is None


@pytest.mark.parametrize(
    ("score", "comment", "topic"),
    [
        pytest.param(10, "Super, mais j'ai saisi un avocat pour la facture.", "legal", id="legal"),
        pytest.param(9, "Great phone, but the charger caught fire.", "safety", id="safety"),
        pytest.param(7, "Rappelez-moi svp au sujet de mon dossier.", "call_me", id="call me"),
        pytest.param(8, "Fine, but I am going to cancel my contract.", "churn", id="leaving"),
    ],
)
def test_in_the_shipped_policy_an_escalation_beats_the_band(
    score: int, comment: str, topic: str
) -> None:
    """No detractor, and yet somebody's case at once; while it is open, nobody asks or sells."""
    told = answered("r1", score, comment=comment)
    found = decided(told)
    assert found.case is not None
    assert (found.case.case_id, found.case.reason) == (OURS, f"the answer tells of {topic}")
    opened = case("opened", OURS, response=LINK)
    (held,) = (hold for hold in decided(told, opened).holds if hold.rule == "open_case")
    # In the very decision that opens it, too: an offer of that decision would be on its way.
    assert held in found.holds
    assert ("open_case", "holds") in {(line.rule, line.outcome) for line in found.trace}
    assert found.snapshot.next_survey_at == decided(told, opened).snapshot.next_survey_at
    # The same scores without it open none.
    assert decided(answered("r1", score, comment="Merci, à bientôt.")).case is None


def test_a_corrected_score_ends_no_case_that_an_escalation_opened() -> None:
    """What was raised still stands in the comment."""
    said = answered("r1", 3, revision=1, comment="Je vais saisir la justice.")
    told = [said, case("opened", OURS, response=LINK), answered("r1", 9, revision=2)]
    assert open_case(profile(*told), POLICY) is not None
    taken_back = answered("r1", 9, revision=2, comment="Tout est réglé, merci.")
    assert open_case(profile(*told[:2], taken_back), POLICY) is None


def test_a_corrected_answer_is_no_longer_held_by_its_case() -> None:
    """She meant a 9: the case that the 4 opened keeps nothing from her; one of a person does."""
    told = [answered("r1", 4, revision=1), answered("r1", 9, revision=2)]
    ours, person = (case("opened", name, response=LINK) for name in (OURS, "nps/by-a-person"))
    assert open_case(profile(told[0], ours), POLICY) is not None
    assert open_case(profile(*told, ours), POLICY) is None
    assert open_case(profile(*told, person), POLICY) is not None


def revised(*scores: int) -> list[Event]:
    """One answer, corrected again and again."""
    return [answered("r1", score, revision=n) for n, score in enumerate(scores, 1)]


AGAIN = answered("r2", 9, at=day(20))
HELPDESK = "helpdesk/7"


@pytest.mark.parametrize(
    ("told", "pair", "asked", "recovered"),
    [
        pytest.param(revised(3), (3, None), True, None, id="as it was"),
        pytest.param([*revised(3), AGAIN], (3, 9), False, 3, id="as it was, and better"),
        pytest.param(revised(3, 5), (5, None), True, None, id="a detractor still"),
        pytest.param([*revised(3, 5), AGAIN], (5, 9), False, 5, id="a detractor still, and better"),
        pytest.param(revised(6, 2), (2, None), True, None, id="down"),
        pytest.param(revised(3, 9), (9, None), False, None, id="up: there was no problem"),
        pytest.param([*revised(3, 9), AGAIN], (9, 9), False, None, id="up: nothing recovered"),
        pytest.param([*revised(3, 9, 4), AGAIN], (4, 9), False, 4, id="up and down again"),
        pytest.param(
            [*revised(3), AGAIN, answered("r2", 2, at=day(20), revision=2)],
            (3, 2),
            False,
            3,
            id="the second is corrected",
        ),
    ],
)
def test_a_pair_is_of_the_scores_as_they_were_corrected(
    told: list[Event], pair: tuple[int, int | None], asked: bool, recovered: int | None
) -> None:
    """A case of ours about an answer that would open none is asked about by nobody."""
    steps = [case("opened", OURS, response=LINK), case("resolved", OURS, email=None, at=day(3))]
    for she in (profile(*told, *steps), profile(*steps, *reversed(told))):
        (found,) = cases.pairs(she, POLICY)
        assert (found.first, found.second) == pair
        assert (list(cases.resurveys(she, POLICY).values()) == [day(18)]) == asked
        assert cases.recovered_from(she, POLICY) == recovered


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        pytest.param(HELPDESK, True, id="a helpdesk's case stands for itself"),
        pytest.param("nps/by-a-person", True, id="so does a person's"),
        pytest.param(OURS, False, id="ours stands for the answer"),
    ],
)
def test_whose_case_is_asked_about_after_a_correction(name: str, asked: bool) -> None:
    """Somebody saw a problem there whatever the score says."""
    steps = [case("opened", name, response=LINK), case("resolved", name, email=None, at=day(3))]
    she = profile(*revised(3, 9), *steps)
    assert bool(cases.resurveys(she, POLICY)) == asked


def test_a_case_that_nobody_closes_after_a_correction_keeps_no_other_from_being_asked() -> None:
    """The first answer was meant as a 9; the case of the second was resolved."""
    mistaken = [*revised(3, 9), case("opened", OURS, response=LINK)]
    link = ResponseLink(source="demo", survey="nps", response_id="r2")
    real = [
        answered("r2", 2, at=day(1)),
        case("opened", HELPDESK, at=day(1), response=link),
        case("resolved", HELPDESK, email=None, at=day(3)),
    ]
    assert list(cases.resurveys(profile(*mistaken, *real), POLICY).values()) == [day(18)]
    as_told = [revised(3)[0], *mistaken[2:]]
    assert cases.resurveys(profile(*as_told, *real), POLICY) == {}


#: A detractor whose case was resolved on the third day.
RESOLVED = (
    answered("r1", 3),
    case("opened", OURS, response=LINK),
    case("resolved", OURS, email=None, at=day(3)),
)


@pytest.mark.parametrize(
    ("then", "due"),
    [
        pytest.param([], 18, id="fifteen days after it was resolved"),
        pytest.param([case("reopened", OURS, at=day(5))], None, id="reopened"),
        pytest.param(
            [case("reopened", OURS, at=day(5)), case("resolved", OURS, at=day(6))],
            21,
            id="resolved once more",
        ),
        pytest.param([answered("r2", 9, at=day(10))], None, id="she answered meanwhile"),
        pytest.param([answered("r0", 9, at=day(2))], 18, id="she answered before it was resolved"),
        pytest.param([case("opened", "helpdesk/9", at=day(4))], None, id="another case is open"),
        pytest.param(
            [answered("r1", cleared=("score",), revision=2)], None, id="she took her score back"
        ),
    ],
)
def test_a_resolved_case_is_asked_about(then: list[Event], due: float | None) -> None:
    """Cancelled on reopen or a newer answer."""
    found = cases.resurveys(profile(*RESOLVED, *then), POLICY)
    assert list(found.values()) == ([] if due is None else [day(due)])


def test_a_case_about_no_answer_of_hers_is_not_asked_about() -> None:
    """A ticket that no survey brought is no reason for one; and a policy may ask nobody."""
    told = [answered("r1", 3), case("opened"), case("resolved", at=day(3))]
    assert cases.resurveys(profile(*told), POLICY) == {}
    assert cases.resurveys(profile(*RESOLVED), with_cases(resurvey_after_days=0)) == {}


def due(at: float = 18) -> Due:
    name = cases.subject(OURS)
    data = TimerDue(kind="resurvey", customer_id=SHE, subject=name, arm=1, due_at=day(at))
    return Due(ids.timer_event("resurvey", SHE, name, 1), data)


def test_the_question_after_a_case_is_not_held_by_the_survey_clocks() -> None:
    """Time's own cause, about the case; a hold of the operator's systems still holds."""
    hold = updated(at=day(10), attributes={"contact_hold_until": day(30).isoformat()})
    for told, held in ((RESOLVED, set()), ((*RESOLVED, hold), {"contact_hold"})):
        she = profile(*told)
        assert stands(she, POLICY, due().data)
        found = decide(she, she, due(), rulebook(), day(18), customer_id=SHE, version=4)
        assert (found.cause.kind, found.cause.what) == ("timer", "case")
        assert found.cause.triggers == ("resurvey_due",)
        assert found.cause.deadline_from == day(18)
        assert found.case is not None
        assert found.case.case_id == OURS
        assert {hold.rule for hold in found.holds if "survey" in hold.classes} == held
        lines = {(line.rule, line.outcome) for line in found.trace}
        assert ("resurvey", "exempt") in lines
        assert ("survey_family", "holds") not in lines
        # What survey tools read lets them ask it, too; so does what a person is shown.
        next_at = day(30) if held else None
        assert found.snapshot.next_survey_at == next_at
        assert {hold.rule for hold in waits(she, POLICY, day(18)).standing} == held


def surveyed(at: float) -> Event:
    """A delivery of ours that asked her something was accepted."""
    data = settled(SHE, "survey", at=day(at)).data.model_copy(update={"contact_class": "survey"})
    return event(data)


@pytest.mark.parametrize(
    ("then", "now", "open_"),
    [
        pytest.param([], 17.9, False, id="not before its day"),
        pytest.param([], 18, True, id="on its day"),
        pytest.param([], 20.9, True, id="while a reaction is not too old"),
        pytest.param([], 21, False, id="not after it"),
        pytest.param([answered("r2", 9, at=day(19))], 20, False, id="not once she answered"),
        pytest.param([settled(SHE, at=day(18.1))], 20, True, id="another message changes nothing"),
        pytest.param([surveyed(18.1)], 20, False, id="not once she was asked"),
    ],
)
def test_the_exemption_ends(then: list[Event], now: float, open_: bool) -> None:
    """It lasts from the day of the question until she answered or three days went by."""
    assert cases.askable(profile(*RESOLVED, *then), POLICY, day(now)) is open_


@pytest.mark.parametrize(
    ("then", "second", "recovered"),
    [
        pytest.param([], None, None, id="no answer yet"),
        pytest.param([answered("r2", 9, at=day(20))], 9, 3, id="the next answer"),
        pytest.param([answered("r2", 2, at=day(20))], 2, 3, id="whichever way it went"),
        pytest.param(
            [answered("r2", 9, at=day(20)), answered("r3", 8, at=day(40))],
            9,
            3,
            id="the first after it is the pair",
        ),
        pytest.param([answered("r2", 9, at=day(79))], None, None, id="too late to be about it"),
    ],
)
def test_the_score_after_a_case_is_paired_with_the_one_before(
    then: list[Event], second: int | None, recovered: int | None
) -> None:
    """The next answer within 60 days of the question tells how it went; silence counts, too."""
    she = profile(*RESOLVED, *then)
    (pair,) = cases.pairs(she, POLICY)
    assert (pair.case_id, pair.first, pair.second) == (OURS, 3, second)
    assert (pair.resolved_at, pair.until) == (day(3), day(78))
    assert cases.recovered_from(she, POLICY) == recovered
