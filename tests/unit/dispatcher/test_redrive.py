"""What a person may send on or cancel, and what becomes of it."""

from dataclasses import replace
from typing import Any

import pytest

from services.dispatcher.delivery import ERASED, Delivery, TargetRules
from services.dispatcher.ledger.recipients import Recipient, decided
from services.dispatcher.operate.redrive import Ask, Known, cancelled, in_short, sent_on
from services.dispatcher.plan.plan import Rulebook
from services.dispatcher.playbook.plays import Playbook
from services.dispatcher.slots.slots import Taken
from shared.events.ids import delivery_id
from tests.builders.decisions import NOW, decision, later, open_permits, rolling
from tests.builders.deliveries import CUSTOMER, contact, delivery
from tests.builders.dispatching import play

COOLED = play("thanks", "promoter", "invite", cooldown="28 d")
DROPS = play("thanks", "promoter", "invite", quiet="drop")
ASK = Ask("ops", later(hours=1), "wrong template")


def _rules(*plays: dict[str, Any], **settings: Any) -> Rulebook:
    playbook = Playbook.model_validate({"plays": list(plays), **settings})
    return Rulebook(playbook, "test", {"sandbox": TargetRules("sandbox", 1)})


def _known(*contacts: Any, **changes: Any) -> Known:
    told = decision(CUSTOMER, **{"segment": "promoter", **changes})
    return Known(decided(Recipient(CUSTOMER), told), Taken(person=tuple(contacts)))


@pytest.mark.parametrize(
    ("before", "known", "state", "reason"),
    [
        pytest.param({"state": "rejected"}, _known(), "planned", "sent on by ops", id="rejected"),
        pytest.param({"state": "parked"}, _known(), "planned", "sent on by ops", id="parked"),
        pytest.param(
            {"state": "suppressed", "reason": "no permit for marketing: email: no"},
            _known(),
            "planned",
            "sent on by ops",
            id="the-permit-came",
        ),
        pytest.param(
            {"state": "suppressed", "reason": "budget", "until": NOW},
            _known(),
            "planned",
            "sent on by ops",
            id="a-refusal-that-had-an-end",
        ),
        pytest.param(
            {"state": "suppressed", "reason": "opted out there", "attempts": 1},
            _known(),
            "planned",
            "sent on by ops",
            id="the-platform-is-asked-again",
        ),
        pytest.param(
            {"state": "superseded", "reason": "cancelled by ops: x"},
            _known(),
            "planned",
            "sent on by ops",
            id="cancelled-by-a-person",
        ),
        pytest.param(
            {"state": "rejected", "deadline": later(hours=1)},
            _known(),
            "expired",
            "the deadline was",
            id="an-old-apology-expires",
        ),
        pytest.param(
            {"state": "parked"},
            _known(permits=open_permits(refused=["marketing"])),
            "suppressed",
            "no permit",
            id="consent-withdrawn-meanwhile",
        ),
        pytest.param(
            {"state": "rejected"},
            _known(segment="passive"),
            "superseded",
            "she is passive now",
            id="her-segment-moved",
        ),
        pytest.param(
            {"state": "rejected"},
            _known(contact(later(minutes=30), action="invite")),
            "suppressed",
            "cooldown",
            id="she-had-the-same-meanwhile",
        ),
        pytest.param(
            {"state": "rejected"},
            _known(contact(later(minutes=30)), budgets=(rolling(1, 16),)),
            "waiting",
            "budget 1 per 16 h",
            id="its-slot-was-taken-meanwhile",
        ),
        pytest.param(
            {"state": "parked", "unanswered_since": NOW, "moment": NOW},
            _known(contact(later(minutes=30)), budgets=(rolling(1, 16),)),
            "planned",
            "sent on by ops",
            id="what-may-have-reached-her-has-its-slot",
        ),
        pytest.param(
            {"state": "parked", "unanswered_since": NOW, "deadline": NOW},
            _known(),
            "in_doubt",
            "an attempt was not answered",
            id="too-late-and-it-may-have-reached-her",
        ),
    ],
)
def test_what_is_sent_on_is_asked_about_anew(
    before: dict[str, Any], known: Known, state: str, reason: str
) -> None:
    """Deadline, permit, segment, cooldown and budget as they are now."""
    after = sent_on(delivery(**before), known, _rules(COOLED), ASK)
    assert isinstance(after, Delivery), after
    assert (after.state, after.due is not None) == (state, state in {"planned", "waiting"})
    assert reason in after.reason


@pytest.mark.parametrize(
    ("before", "words"),
    [
        pytest.param({"state": "accepted"}, "is accepted", id="accepted"),
        pytest.param({"state": "in_doubt"}, "is in_doubt", id="in-doubt"),
        pytest.param({"state": "sending"}, "is sending", id="being-sent"),
        pytest.param({"state": "waiting"}, "is waiting", id="waiting"),
        pytest.param(
            {"state": "superseded", "reason": "she is promoter now"},
            "something newer took its place",
            id="superseded",
        ),
        pytest.param(
            {"state": "superseded", "reason": ERASED}, "she was erased", id="she-was-erased"
        ),
        pytest.param(
            {"state": "suppressed", "reason": "only one of 'asks': play x goes first"},
            "refused for good",
            id="another-play-went-first",
        ),
        pytest.param(
            {"state": "suppressed", "reason": "hold-out"}, "refused for good", id="held-out"
        ),
        pytest.param(
            {"state": "suppressed", "reason": "shadow: would have been sent", "attempts": 1},
            "refused for good",
            id="only-looked-on",
        ),
        pytest.param(
            {"state": "rejected", "message": "delivered"},
            "the platform reported the message",
            id="reported",
        ),
        pytest.param(
            {"state": "expired", "deadline": NOW}, "still expired", id="expired-stays-expired"
        ),
        pytest.param(
            {"state": "rejected", "target": "gone"}, "its target is not configured", id="no-target"
        ),
        pytest.param(
            {"state": "rejected", "play": "gone"},
            "its play is not in the playbook any more",
            id="no-play",
        ),
    ],
)
def test_what_is_left_as_it_is_and_why(before: dict[str, Any], words: str) -> None:
    """Nothing goes twice, and nothing that nobody would ask again."""
    assert sent_on(delivery(**before), _known(), _rules(COOLED), ASK) == words


def test_a_person_may_release_what_a_play_that_is_gone_had_planned() -> None:
    """She has looked at it, and its gates are asked."""
    parked = delivery(state="parked", play="gone")
    after = sent_on(parked, _known(), _rules(COOLED), replace(ASK, looked=True))
    assert isinstance(after, Delivery)
    assert after.state == "planned"


def test_nothing_is_sent_on_beside_what_another_play_brought_meanwhile() -> None:
    """A platform refused the review's invitation; a coupon went in answer to the same answer."""
    gift = play("gift", "passive", "gift", coupon="spring")
    ask = play("thanks", "promoter", "invite", review_site="shop")
    book = _rules(
        ask,
        gift,
        coupon_pools={"spring": {"most": 9, "period": "30 d"}},
        review_sites={"shop": {"audience": "promoters"}},
    )
    before = delivery(state="rejected")
    went = replace(
        contact(NOW, action="gift"),
        play="gift",
        delivery_id=delivery_id(before.cause_id, "gift", "gift"),
    )
    after = sent_on(before, _known(went), book, ASK)
    assert isinstance(after, Delivery)
    assert (after.state, after.reason) == (
        "suppressed",
        "no review is asked for: a coupon goes with the same answer",
    )


ALL = {**COOLED, "experiment": {"hold_out": 1 - 1e-9}}
NOBODY = {**COOLED, "experiment": {"hold_out": 1e-9}}


@pytest.mark.parametrize(
    ("playing", "arm", "known", "state"),
    [
        pytest.param(NOBODY, None, {"thanks": "hold-out"}, "suppressed", id="drawn-before"),
        pytest.param(NOBODY, "own", {"thanks": "hold-out"}, "suppressed", id="found-by-a-merge"),
        pytest.param(ALL, "own", {"thanks": "own"}, "planned", id="drawn-for-the-treated"),
        pytest.param(ALL, "own", {}, "planned", id="the-row-names-her-arm"),
        pytest.param(ALL, None, {}, "suppressed", id="an-experiment-since"),
        pytest.param(ALL, None, {"another": "hold-out"}, "suppressed", id="of-this-play-alone"),
        pytest.param(COOLED, "own", {"thanks": "hold-out"}, "planned", id="no-experiment-any-more"),
    ],
)
def test_who_is_held_out_goes_without_now_too(
    playing: dict[str, Any], arm: str | None, known: dict[str, str], state: str
) -> None:
    """What her play would not give her if it were planned now is not sent on."""
    hers = replace(_known(), arms=known)
    for asked in (ASK, replace(ASK, looked=True)):
        after = sent_on(delivery(state="rejected", arm=arm), hers, _rules(playing), asked)
        assert isinstance(after, Delivery)
        assert after.state == state
        assert (state == "planned") or after.reason.startswith("hold-out: ")


def test_a_test_respondent_is_held_out_of_nothing() -> None:
    """She measures nothing; her sandbox gets what it would have got."""
    rules = _rules(ALL)
    rules = replace(rules, targets={"sandbox": TargetRules("sandbox", 1, sandbox=True)})
    hers = replace(_known(test=True), arms={"thanks": "hold-out"})
    after = sent_on(delivery(state="rejected"), hers, rules, ASK)
    assert isinstance(after, Delivery)
    assert after.state == "planned"


COUPON = {**COOLED, "do": {**COOLED["do"], "coupon": "pool"}}
POOLS = {"pool": {"most": 9, "period": "30 d"}}


@pytest.mark.parametrize(
    ("highest", "about_it", "state"),
    [
        pytest.param((9, "promoter"), True, "suppressed", id="changed-downwards-into-the-band"),
        pytest.param((8, "passive"), True, "planned", id="lower-within-the-band"),
        pytest.param((7, "passive"), True, "planned", id="as-it-was"),
        pytest.param((9, "promoter"), False, "planned", id="another-answer-was-changed"),
    ],
)
def test_a_lowered_score_is_sent_no_coupon(
    highest: tuple[int, Any], about_it: bool, state: str
) -> None:
    """What was parked for want of a code does not reward a score that came down meanwhile."""
    hers = _known(segment="passive")
    assert hers.recipient.state is not None
    known = hers.recipient.state.model_copy(
        update={
            "answer": delivery().cause_id if about_it else CUSTOMER,
            "highest": highest[0],
            "highest_segment": highest[1],
            "attributes": {"nps_score": 7},
        }
    )
    hers = replace(hers, recipient=replace(hers.recipient, state=known))
    before = delivery(state="parked", segments=("passive",))
    after = sent_on(before, hers, _rules(COUPON, coupon_pools=POOLS), ASK)
    assert isinstance(after, Delivery)
    assert after.state == state
    assert (state == "planned") or after.reason == "no coupon: the score was changed downwards"


def test_what_may_have_reached_her_keeps_its_slot_whatever_refuses_it() -> None:
    """Held out or lowered: one attempt was not answered, so nobody can say that she got nothing."""
    before = delivery(state="parked", unanswered_since=NOW)
    after = sent_on(before, _known(), _rules(ALL), ASK)
    assert isinstance(after, Delivery)
    assert after.state == "in_doubt"


def test_the_first_of_a_changed_play_are_looked_at_before_they_go() -> None:
    """A filter has looked at none of them, a release has; a play that asks for no look has none."""
    waits = delivery(state="parked", reason="new or changed play: the first 2 wait; …")
    trial = _rules({**COOLED, "approve_first": 2})
    assert sent_on(waits, _known(), trial, ASK) == (
        "its play is new or changed: look at it, then release it"
    )
    for rules, ask in ((trial, replace(ASK, looked=True)), (_rules(COOLED), ASK)):
        after = sent_on(waits, _known(), rules, ask)
        assert isinstance(after, Delivery)
        assert after.state == "planned"


@pytest.mark.parametrize(
    ("reason", "short"),
    [
        ("the deadline was 2026-11-22T04:31:26.000000Z", "the deadline has passed"),
        ("budget w: 1 of 1 in 24 h; next free 2026-11-22T04:31:26.000000Z, after the deadline",
         "budget w: 1 of 1 in 24 h, after the deadline"),
        ("cooldown: x at most once per 28 d; next free 2026-11-22T04:31:26.870669Z",
         "cooldown: x at most once per 28 d"),
        ("no coupon: the score was changed downwards",
         "no coupon: the score was changed downwards"),
    ],
)  # fmt: skip
def test_reasons_are_counted_without_their_times(reason: str, short: str) -> None:
    """Five thousand that expired each at its own second are one line."""
    assert in_short(delivery(state="expired", reason=reason)) == short


def test_at_a_quiet_time_a_play_that_drops_is_dropped_again() -> None:
    """Sent on at night it would come in the morning, which its play does not want."""
    quiet = {"start": "08:00", "end": "20:00", "classes": ["marketing"]}
    after = sent_on(delivery(state="rejected"), _known(), _rules(DROPS, quiet_hours=quiet), ASK)
    assert isinstance(after, Delivery)
    assert after.state == "suppressed"


@pytest.mark.parametrize(
    ("before", "state"),
    [
        pytest.param({"state": "planned"}, "superseded", id="planned"),
        pytest.param({"state": "waiting"}, "superseded", id="waiting"),
        pytest.param({"state": "parked"}, "superseded", id="parked"),
        pytest.param(
            {"state": "waiting", "unanswered_since": NOW}, "in_doubt", id="may-have-reached-her"
        ),
        pytest.param(
            {"state": "waiting", "unanswered_since": NOW, "on_unknown": "retry"},
            "superseded",
            id="an-alert-that-may-have-gone",
        ),
    ],
)
def test_what_waits_is_cancelled_with_the_reason(before: dict[str, Any], state: str) -> None:
    """Who and why is in the row."""
    after = cancelled(delivery(**before), _known(), _rules(), ASK)
    assert isinstance(after, Delivery)
    assert after.state == state
    assert "cancelled by ops: wrong template" in after.reason


@pytest.mark.parametrize("state", ["sending", "accepted", "in_doubt", "expired", "rejected"])
def test_what_does_not_wait_is_not_cancelled(state: Any) -> None:
    """What is on its way, or has ended, is left."""
    assert cancelled(delivery(state=state), _known(), _rules(), ASK) == f"is {state}"
