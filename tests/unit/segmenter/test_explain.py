"""An explanation: who she is, what was decided, what may be done, and what comes next."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import pytest
from hypothesis import given, settings

from services.segmenter.api.showing import customer_view
from services.segmenter.decide import clocks
from services.segmenter.decide.decide import decide
from services.segmenter.decide.looking import look
from services.segmenter.eligibility import eligibility
from services.segmenter.explain.ahead import what_next
from services.segmenter.explain.past import cause_code
from services.segmenter.explain.say import Point
from services.segmenter.explain.whole import Explanation, Language, Line, explain
from services.segmenter.policy.whole import Policy
from services.segmenter.profile.facts import fact_of
from services.segmenter.profile.profile import rebuild
from services.segmenter.profile.state import Profile
from services.segmenter.store.rows import Decision
from shared.events.decisions import Cause
from shared.events.envelope import Event, encode
from shared.events.feedback import ResponseLink
from shared.events.outcomes import DeliverySettled, MessageBounced, MessageSent
from tests.builders.facts import (
    ANNA,
    NOON,
    answered,
    case,
    completed,
    day,
    fact,
    invited,
    opted_out,
    reported,
    rulebook,
    says,
    settled,
    shipped_policy,
    updated,
)
from tests.builders.histories import histories

SHE = UUID(int=7)
COMMENT = "Trop cher, signé Canari"


def profile(*told: Event) -> Profile:
    return rebuild([fact(one) for one in told])


def stored(told: Sequence[Event]) -> list[Decision]:
    """What the table has of a history: a decision for each event, the newest first."""
    found, known = [], Profile()
    for number, one in enumerate(told, 1):
        after = rebuild([fact(each) for each in told[:number]])
        decided = decide(known, after, fact(one), rulebook(), NOON, customer_id=SHE, version=number)
        line = encode(Event(decided.decision_id, "nps/segmenter", NOON, decided)).decode()
        found.append(Decision(one.id, decided.decision_id, SHE, number, one.type, NOON, line, None))
        known = after
    return found[::-1]


def explained(
    *told: Event,
    now: datetime = NOON,
    lang: Language = "en",
    policy: Policy | None = None,
    survey: str | None = None,
    experience: eligibility.Experience | None = None,
    decisions: Sequence[Decision] | None = None,
) -> Explanation:
    """Explain somebody of whom this was told."""
    rules, seen = rulebook(policy), profile(*told)
    shown = customer_view(
        seen,
        rules,
        now,
        customer_id=SHE,
        aliases=(),
        version=len(told),
        created_at=NOON,
        decisions=stored(told) if decisions is None else decisions,
        deliveries=[one.data for one in told if isinstance(one.data, DeliverySettled)],
    )
    return explain(shown, seen, rules, now, lang=lang, survey=survey, experience=experience)


def lines(found: Explanation, section: str) -> list[Line]:
    (told,) = (one.lines for one in found.sections if one.name == section)
    return list(told)


def codes(found: Explanation, section: str) -> list[str]:
    return [line.code for line in lines(found, section)]


def coming(*told: Event, now: datetime = NOON, policy: Policy | None = None) -> list[Point]:
    return list(what_next(profile(*told), rulebook(policy), now, customer_id=SHE))


LINK = ResponseLink(source="demo", survey="nps", response_id="r1")
DETRACTOR = answered("r1", 3, comment=COMMENT)
PROMOTER = answered("r1", 10, comment="Parfait")


def test_who_she_is_names_segment_reason_and_lifecycle() -> None:
    """With the date of the answer that says so."""
    told = (
        answered("r0", 9, at=day(-40)),
        DETRACTOR,
        updated(attributes={"lifecycle": "active"}),
    )
    texts = [line.text for line in lines(explained(*told), "who")]
    assert "She is a detractor: she answered 3 on 10 March 2026, 13:00." in texts
    assert "Before, she was a promoter; in the present segment: 1 answer in a row." in texts
    assert "The reason of her score: price." in texts
    assert "Lifecycle: active." in texts


def test_maturity_is_told_with_its_factors_and_gates() -> None:
    """Each factor with its points out of how many; what stands in the way besides."""
    told = (answered("r0", 9, at=day(-100)), PROMOTER, case("opened"))
    found = lines(explained(*told, now=day(1)), "who")
    values = {line.code: line.values for line in found}
    assert values["who.not_mature"] == {"points": 50, "wanted": 60}
    assert (values["factor.latest"]["points"], values["factor.latest"]["most"]) == (30, 30)
    assert (values["factor.orders"]["points"], values["factor.orders"]["most"]) == (0, 15)
    assert "gate.open_case" in values
    assert "factor.value_off" in values


@pytest.mark.parametrize(
    ("told", "code", "says_"),
    [
        pytest.param([invited()], "permit.unknown", "unknown is no", id="never said"),
        pytest.param(
            [updated(consents=(says(granted=False, at=day(-3)),))],
            "permit.refused",
            "she refused on 7 March 2026, 13:00, told by test",
            id="refused, by whose word",
        ),
        pytest.param([opted_out()], "permit.refused", "told by test", id="an opt-out"),
        pytest.param(
            [reported(MessageBounced, ANNA)], "permit.bounced", "the address bounced", id="bounced"
        ),
        pytest.param([invited()], "permit.not_asked_for", "asked for no contact", id="no call"),
    ],
)
def test_a_closed_channel_is_told_with_whose_word_it_was(
    told: list[Event], code: str, says_: str
) -> None:
    """Who said no, when, and who told us."""
    found = [line for line in lines(explained(*told), "permits") if line.code == code]
    assert found
    assert any(says_ in line.text for line in found)


def test_holds_are_told_in_the_order_asked_with_their_end() -> None:
    """The clocks, then the rests; each until when."""
    found = lines(explained(DETRACTOR, now=day(1)), "holds")
    assert [(line.code, line.at) for line in found] == [
        ("hold.survey_family", day(90)),
        ("hold.any_survey", day(30)),
        ("hold.marketing_rest", day(14)),
    ]
    assert codes(explained(DETRACTOR, now=day(100)), "holds") == ["hold.none"]


def test_the_question_after_a_case_is_told_as_exempt() -> None:
    """For three days it is asked although the clocks would wait."""
    told = (
        DETRACTOR,
        case("opened", response=None),
        case("opened", "nps/1", response=LINK),
        case("resolved", "nps/1", at=day(1)),
        case("resolved", at=day(1)),
    )
    found = codes(explained(*told, now=day(16.5)), "holds")
    assert "hold.exempt" in found
    assert "hold.survey_family" not in found
    later = [point.code for point in coming(*told, now=day(2))]
    assert later.index("timer.resurvey") < later.index("next.exemption_over")


def test_clocks_say_since_when_they_are_free() -> None:
    """Held, over, or nothing to wait for."""
    found = {
        str(line.values["rule"]): line.code
        for line in lines(explained(DETRACTOR, now=day(40)), "clocks")
    }
    assert found["survey_family"] == "clock.held"
    assert found["any_survey"] == "clock.over"
    assert found["new_customer"] == "clock.free"
    assert "marketing_rest" not in found


def test_a_survey_is_judged_by_name_and_experience() -> None:
    """The one asked about, with every rule that refuses; else those she answered."""
    order = eligibility.Experience("order", day(9))
    found = explained(now=day(10), survey="after-delivery", experience=order)
    assert codes(found, "surveys") == ["survey.may_not", "survey.waits", "survey.next"]
    known = lines(explained(DETRACTOR, now=day(1)), "surveys")
    assert known[0].text == "“nps”: no."
    assert known[-1].at == day(90)
    refused = lines(explained(opted_out(), now=day(100), survey="nps"), "surveys")
    assert [line.code for line in refused] == [
        "survey.may_not",
        "survey.refused",
        "survey.not_by_time",
    ]
    assert codes(explained(now=day(1), survey="nps"), "surveys") == ["survey.may"]


def test_budgets_say_what_is_used_up() -> None:
    """As far as it is known here: ours that were accepted, and others'."""
    told = (reported(MessageSent), updated())
    found = {line.values["budget"]: line for line in lines(explained(*told), "budgets")}
    assert found["email-16h"].code == "budget.full"
    assert (found["email-week"].code, found["email-week"].values["used"]) == ("budget.room", 1)
    free = [point for point in coming(*told) if point.code == "next.budget"]
    assert [(point.at, point.values["budget"]) for point in free] == [
        (day(16 / 24), "email-16h"),
    ]


def test_decisions_are_told_with_cause_move_and_reasons() -> None:
    """The newest first; each with what it was about."""
    told = (answered("r0", 9, at=day(-100)), answered("r1", 3))
    found = codes(explained(*told), "decisions")
    second = found.index("trigger.received", 1)
    assert found[0] == "trigger.received"
    assert "move.down" in found[:second]
    assert "decision.held" in found[:second]
    assert "trace.identity.new" in found[second:]


def test_a_decision_that_nobody_was_told_says_why() -> None:
    """Kept silently, with the reason in the language; one of a later release is told, too."""
    silent = Decision(
        event_id=SHE,
        decision_id=SHE,
        customer_id=SHE,
        version=1,
        kind="message.opened",
        decided_at=NOON,
        payload=None,
        note="history only: nothing that a gate reads has changed",
    )
    (line,) = lines(explained(DETRACTOR, decisions=[silent], lang="fr"), "decisions")
    assert line.code == "decision.silent"
    assert "rien n'a changé" in line.text
    assert codes(explained(DETRACTOR, decisions=[]), "decisions") == ["decision.none"]


@pytest.mark.parametrize(
    ("kind", "triggers", "what", "late", "code"),
    [
        pytest.param("response", ("received", "settled"), None, False, "trigger.received", id="in"),
        pytest.param("response", (), None, False, "cause.response", id="imported"),
        pytest.param("response", ("received",), None, True, "cause.late", id="late"),
        pytest.param("timer", (), "policy", False, "timer.policy", id="another policy"),
        pytest.param("timer", (), None, False, "cause.timer", id="nobody reacts"),
        pytest.param("timer", ("resurvey_due",), "case", False, "trigger.resurvey_due", id="D+15"),
        pytest.param("timer", (), "of tomorrow", False, "cause.timer", id="a later release's"),
        pytest.param("merge", (), None, False, "cause.merge", id="undone"),
    ],
)
def test_what_happened_is_named_by_its_trigger_or_kind(
    kind: str, triggers: tuple[str, ...], what: str | None, late: bool, code: str
) -> None:
    """Also what nobody reacts to has a sentence."""
    cause = Cause.model_validate(
        {
            "id": SHE,
            "kind": kind,
            "triggers": triggers,
            "deadline_from": NOON,
            "what": what,
            "late": late,
        }
    )
    assert cause_code(cause) == code


def test_deliveries_and_contacts_are_told_as_far_as_they_are_known() -> None:
    """The last state of each, with the reason that was noted."""
    told = (
        DETRACTOR,
        settled(SHE, "one", state="suppressed", at=day(0.1)),
        settled(SHE, "two", state="in_doubt", at=day(0.1), change=1),
        settled(SHE, "two", state="accepted", at=day(0.2), change=2),
        reported(MessageSent, at=day(0.3)),
    )
    found = explained(*told, now=day(1))
    assert codes(found, "deliveries") == [
        "delivery.accepted",
        "delivery.reason",
        "delivery.suppressed",
        "delivery.reason",
    ]
    assert codes(found, "contacts") == ["contact.foreign", "contact.ours"]


def test_cases_say_by_when_somebody_should_have_called() -> None:
    """An open one with its date, a resolved one with the scores around it."""
    told = (
        DETRACTOR,
        case("opened", "helpdesk/1", response=LINK),
        case("resolved", "helpdesk/1", at=day(1)),
        answered("r2", 9, at=day(17)),
        case("opened", "helpdesk/2", at=day(18)),
    )
    found = lines(explained(*told, now=day(18)), "cases")
    assert [line.code for line in found] == ["case.open", "case.resolved", "case.scores"]
    assert (found[2].values["first"], found[2].values["second"]) == (3, 9)
    assert "next.case_due" in {point.code for point in coming(*told, now=day(18))}


def test_what_comes_next_is_dated_and_ends() -> None:
    """A detractor: her rests end one by one, she lapses, and then nothing more."""
    found = coming(DETRACTOR, now=day(1))
    told = [
        (point.code, str(getattr(point.values.get("rule"), "name", "")), point.at)
        for point in found
    ]
    assert told == [
        ("timer.hold_end", "marketing_rest", day(14)),
        ("next.bears", "", day(14)),
        ("timer.hold_end", "any_survey", day(30)),
        ("timer.hold_end", "survey_family", day(90)),
        ("next.may_be_asked", "", day(90)),
        ("timer.lapse", "", day(365)),
        ("next.nothing", "", day(365)),
    ]


@pytest.mark.parametrize(
    ("told", "now", "code", "at"),
    [
        pytest.param(
            [answered("r1", 3, complete=False)], NOON, "timer.settle", day(5 / 1440), id="settle"
        ),
        pytest.param(
            [answered("r1", 3), case("opened", response=None), case("resolved", at=day(1))],
            day(2),
            None,
            day(16),
            id="no question about a case without an answer",
        ),
        pytest.param(
            [updated(attributes={"last_order_at": day(-364).isoformat()})],
            NOON,
            "next.lifecycle",
            day(1),
            id="sleeping",
        ),
        pytest.param(
            [
                answered("r0", 9, at=day(-200)),
                answered("r1", 10),
                updated(attributes={"customer_since": day(-179).isoformat()}),
            ],
            NOON,
            "next.mature",
            # The attribute is a date: its midnight counts.
            day(0.5),
            id="a tenure makes her ready",
        ),
        pytest.param(
            [
                answered("r0", 3, at=day(-364)),
                answered("r1", 10, at=day(-2)),
                answered("r2", 10),
                updated(attributes={"orders_count": 5}),
            ],
            NOON,
            "next.mature",
            day(1),
            id="a gate opens",
        ),
        pytest.param(
            [answered("r0", 9, at=day(-729)), answered("r1", 9, at=day(-1)), answered("r2", 10)],
            NOON,
            "next.not_mature",
            day(1),
            id="an answer grows too old",
        ),
    ],
)
def test_each_thing_that_time_brings_has_its_date(
    told: list[Event], now: datetime, code: str | None, at: datetime
) -> None:
    """Timers, and what is only read at the next decision."""
    found = [(point.code, point.at) for point in coming(*told, now=now)]
    if code is None:
        assert "timer.resurvey" not in {name for name, _ in found}
    else:
        assert (code, at) in found


def test_nobody_of_whom_nothing_is_known_has_anything_ahead() -> None:
    """And the explanation is still one."""
    assert [point.code for point in coming(now=day(3))] == ["next.nothing"]


def test_looks_are_bounded() -> None:
    """A long history costs some looks and no more, and it is told that more follows."""
    many = [answered(f"r{n}", 9, at=day(-n), survey=f"s{n}") for n in range(150)]
    assert coming(*many)[-1].code == "next.more"


def test_moments_are_told_in_her_zone_and_language() -> None:
    """The first of a month in French, the same moment in either language."""
    told = (answered("r1", 3, at=datetime.fromisoformat("2026-02-28T23:30:00+00:00")),)
    (french,) = (x for x in lines(explained(*told, lang="fr"), "who") if x.code == "who.segment")
    assert french.text == "Segment : détractrice ; elle a répondu 3 le 1er mars 2026, 00 h 30."
    (english,) = (x for x in lines(explained(*told), "who") if x.code == "who.segment")
    assert english.values == french.values
    assert "1 March 2026, 00:30" in english.text


@pytest.mark.parametrize("lang", ["en", "fr"])
def test_nothing_personal_is_told(lang: Language) -> None:
    """Neither her address, her name, her number nor her words."""
    told = (
        answered("r1", 3, comment=COMMENT, attributes={"first_name": "Camille"}),
        updated(attributes={"nickname": "Mimi", "last_name": "Durand", "group": "G-Durand"}),
        settled(SHE),
        case("opened"),
        completed(),
    )
    text = explained(*told, now=day(1), lang=lang).model_dump_json()
    for secret in (ANNA, "Canari", "Camille", "Mimi", "Durand", "helpdesk/1"):
        assert secret not in text


@settings(deadline=None, max_examples=40)
@given(histories())
def test_whatever_happened_can_be_explained_and_is_true(history: list[Event]) -> None:
    """In both languages; and what is announced is so when `now` is moved there."""
    told = [fact_of(one) for one in history]
    seen, rules = rebuild(told), rulebook()
    now = day(4)
    decisions = stored(history)
    texts = []
    for lang in ("en", "fr"):
        shown = customer_view(
            seen,
            rules,
            now,
            customer_id=SHE,
            aliases=(),
            version=1,
            created_at=NOON,
            decisions=decisions,
            deliveries=[one.data for one in told if isinstance(one.data, DeliverySettled)],
        )
        texts.append(explain(shown, seen, rules, now, lang=lang))
    assert [[line.code for line in s.lines] for s in texts[0].sections] == [
        [line.code for line in s.lines] for s in texts[1].sections
    ]
    assert "trace.other" not in {line.code for s in texts[0].sections for line in s.lines}
    for line in lines(texts[0], "next"):
        assert line.at is not None
        if line.code == "timer.hold_end":
            standing = clocks.standing(clocks.holds(seen, rules.policy), line.at)
            assert line.values["rule"] not in {hold.rule for hold in standing}
        if line.code == "next.bears":
            decided = look(seen, rules, line.at, customer_id=SHE, version=1)
            assert decided.snapshot.fatigue_threshold == line.values["messages"]


def test_a_policy_without_clocks_holds_nothing() -> None:
    """What is said follows the policy in force."""
    policy = shipped_policy().value
    free = policy.clocks.model_copy(
        update={
            "families": (),
            "general": None,
            "any_survey": policy.clocks.any_survey.model_copy(update={"days": 0}),
        }
    )
    found = explained(answered("r1", 8), policy=policy.model_copy(update={"clocks": free}))
    assert codes(found, "holds") == ["hold.none"]
