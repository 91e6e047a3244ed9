"""Which deliveries a decision leads to, and why a play that matched does not act."""

import uuid
from datetime import timedelta
from typing import Any

import pytest

from services.dispatcher.delivery import Contact, Delivery, TargetRules
from services.dispatcher.plan.plan import Rulebook, plan
from shared.events.decisions import URGENT, CustomerDecided, DecidedCase, Permit, Snapshot, Trigger
from tests.builders.decisions import NOW, decision, later, open_permits
from tests.builders.deliveries import CUSTOMER, contact
from tests.builders.dispatching import play, rules

SLOW = TargetRules("sandbox", 8)


def planned(
    told: CustomerDecided, *plays: dict[str, Any], history: tuple[Contact, ...] = (), **more: Any
) -> list[Delivery]:
    """Plan a decision under some plays."""
    book: Rulebook = more.pop("book", None) or rules(*plays, **more)
    return plan(told, book, history, customer_id=CUSTOMER, event_id=uuid.UUID(int=9), now=NOW)


def test_a_play_that_does_not_match_leaves_nothing() -> None:
    """No row for what was never meant."""
    assert planned(decision(CUSTOMER), play("thanks", "promoter", "invite")) == []


def test_a_delivery_carries_all_it_needs() -> None:
    """Identity from cause, play and action; deadline from the answer; who signs in the context."""
    signed = {"name": "Camille", "role": "Care", "reply_to": "care@shop.example"}
    one = play("thanks", "promoter", "invite", signed_by=signed, context={"site": "shop"})
    told = decision(CUSTOMER, segment="promoter", answered_at=later(hours=-2))
    (found,) = planned(told, one)
    assert (found.state, found.due, found.send_at) == ("planned", NOW, NOW)
    assert found.deadline == later(hours=70)
    assert found.segments == ("promoter",)
    assert found.context == {
        "site": "shop",
        "signed_by": "Camille",
        "signed_by_role": "Care",
        "reply_to": "care@shop.example",
    }
    (again,) = planned(decision(CUSTOMER, version=2, segment="promoter"), one)
    assert again.id == found.id


@pytest.mark.parametrize(
    ("told", "play_changes", "history", "state", "reason"),
    [
        pytest.param(
            {"permits": open_permits(refused=["marketing"])},
            {},
            (),
            "suppressed",
            "no permit for marketing: email: no consent is known",
            id="no-consent",
        ),
        pytest.param(
            {"answered_at": later(hours=-72)}, {}, (), "expired", "too old", id="older-than-72-h"
        ),
        pytest.param(
            {},
            {"cooldown": "30 d"},
            (contact(later(days=-29), action="invite"),),
            "suppressed",
            "cooldown: invite at most once per 30 d; next free 2026-03-13T09:00",
            id="cooldown",
        ),
        pytest.param(
            {},
            {"cooldown": "30 d"},
            (contact(later(days=-30), action="invite"),),
            "planned",
            "planned",
            id="cooldown-over",
        ),
        pytest.param(
            {},
            {"cooldown": "30 d"},
            (contact(later(days=-1), action="other"),),
            "planned",
            "planned",
            id="cooldown-of-another-action",
        ),
        pytest.param(
            {},
            {"once_per": "customer"},
            (contact(later(days=-900), action="invite"),),
            "suppressed",
            "once per customer",
            id="once-in-a-life",
        ),
    ],
)
def test_a_refused_play_keeps_its_reason(
    told: dict[str, Any],
    play_changes: dict[str, Any],
    history: tuple[Contact, ...],
    state: str,
    reason: str,
) -> None:
    """What matched and may not act is a row with the reason."""
    one = play("thanks", "promoter", "invite", **play_changes)
    asked = decision(CUSTOMER, segment="promoter", **told)
    (found,) = planned(asked, one, history=history)
    assert found.state == state
    assert found.reason.startswith(reason)


@pytest.mark.parametrize(
    ("told", "state"),
    [
        pytest.param({"permits": ()}, "planned", id="needs-no-permit"),
        pytest.param({"answered_at": later(hours=-24)}, "expired", id="but-not-after-a-day"),
    ],
)
def test_an_internal_alert_reaches_nobody_outside(told: dict[str, Any], state: str) -> None:
    """Consent is about customers; an alert's own age counts."""
    alert = play("alert", "detractor", "alert", channels=["chat"], **{"class": "internal"})
    (found,) = planned(decision(CUSTOMER, **told), alert)
    assert (found.state, found.on_unknown) == (state, "retry")


def test_an_internal_alert_carries_its_case_and_a_customer_s_message_does_not() -> None:
    """For the ticket: its number comes back with the outcome, and names the case."""
    case = DecidedCase(case_id="nps/1", opened_at=NOW, due_at=later(hours=24), reason="a detractor")
    alert = play("alert", "detractor", "alert", channels=["ticket"], **{"class": "internal"})
    sorry = play("sorry", "detractor", "sorry", **{"class": "service", "legal_basis": "contract"})
    told = decision(CUSTOMER).model_copy(update={"case": case})
    inside, outside = planned(told, alert, sorry)
    assert inside.context == {"case_id": "nps/1", "case_due_at": "2026-03-13T09:00:00.000000Z"}
    assert outside.context == {}


def test_nobody_reacts_to_a_late_answer() -> None:
    """The decision shows the newest answer, so even an alert would tell of the wrong one."""
    alert = play("alert", "detractor", "alert", channels=["chat"], **{"class": "internal"})
    apology = play("apology", "detractor", "apology")

    assert planned(decision(CUSTOMER, late=True), alert, apology) == []
    assert len(planned(decision(CUSTOMER), alert, apology)) == 2


@pytest.mark.parametrize("trigger", sorted(URGENT))
def test_what_cannot_wait_is_no_matter_of_which_answer_says_it(trigger: Trigger) -> None:
    """A late one brings the plays that wait for it alone; they hear that the score is another's."""
    case = DecidedCase(case_id="nps/1", opened_at=NOW, due_at=later(hours=24), reason="she asks")
    urgent = play("call", "detractor", "call", trigger=trigger, channels=["call"])
    told = decision(CUSTOMER, late=True, triggers=("received", "settled", trigger))
    told = told.model_copy(update={"case": case})
    (found,) = planned(told, urgent, play("apology", "detractor", "apology"))
    assert (found.play, found.context["other_answer"]) == ("call", "nps")
    assert found.context["case_id"] == "nps/1"
    newest = decision(CUSTOMER, triggers=("received", trigger))
    (found,) = planned(newest, urgent)
    assert "other_answer" not in found.context
    (found,) = planned(decision(CUSTOMER, triggers=(trigger,)), urgent)
    assert found.context["other_answer"] == "nps"
    old = decision(CUSTOMER, late=True, triggers=(trigger,), answered_at=later(hours=-96))
    assert [one.state for one in planned(old, urgent)] == ["expired"]


def test_of_rivals_one_wins_and_the_others_say_why() -> None:
    """Priority first, then the more particular condition, then the name."""
    rivals = [
        {**play(name, "promoter", f"ask-{name}"), "only_one_of": "asks", "priority": priority}
        for name, priority in (("b", 0), ("a", 0), ("c", 1))
    ]
    found = {d.play: d for d in planned(decision(CUSTOMER, segment="promoter"), *rivals)}
    assert found["c"].state == "planned"
    assert found["a"].reason == "only one of 'asks': play c goes first"
    found = {d.play: d for d in planned(decision(CUSTOMER, segment="promoter"), *rivals[:2])}
    assert (found["a"].state, found["b"].state) == ("planned", "suppressed")
    particular = {**rivals[0], "when": {**rivals[0]["when"], "survey": ["nps"]}}
    told = decision(CUSTOMER, segment="promoter")
    found = {d.play: d for d in planned(told, particular, rivals[1])}
    assert (found["a"].state, found["b"].state) == ("suppressed", "planned")


def test_the_first_permitted_channel_is_taken() -> None:
    """E-mail refused, SMS allowed: SMS; each refusal has its reason if none is open."""
    permits = (
        Permit(contact_class="marketing", channel="email", allowed=False, reason="bounced"),
        Permit(contact_class="marketing", channel="sms", allowed=True, reason="consent given"),
    )
    told = decision(CUSTOMER, segment="promoter", permits=permits)
    (found,) = planned(told, play("thanks", "promoter", "invite", channels=["email", "sms"]))
    assert (found.state, found.channel) == ("planned", "sms")
    (found,) = planned(told, play("thanks", "promoter", "invite", channels=["email", "post"]))
    assert found.reason == ("no permit for marketing: email: bounced; post: no permit is stated")


@pytest.mark.parametrize(
    ("snapshot", "variant", "template"),
    [
        pytest.param({"theme": "price", "language": "fr", "tone": "tu"}, "price", "P_TU", id="all"),
        pytest.param(
            {"theme": "price", "language": "fr", "tone": "vous"}, "price", "P_F", id="vous"
        ),
        pytest.param({"theme": "price", "language": "fr-BE"}, "price", "P_F", id="region"),
        pytest.param({"theme": "price", "language": "de"}, "price", "P", id="unknown-language"),
        pytest.param({"theme": "price"}, "price", "P", id="no-language"),
        pytest.param({"theme": "delivery", "language": "fr"}, "default", "D", id="other-theme"),
        pytest.param({}, "default", "D", id="no-theme"),
        pytest.param({"theme": "default"}, "default", "D", id="theme-named-default"),
    ],
)
def test_the_variant_follows_theme_language_and_tone(
    snapshot: dict[str, Any], variant: str, template: str
) -> None:
    """The most precise template there is, never none."""
    variants = {"default": "D", "price": {"default": "P", "fr": "P_F", "fr-tu": "P_TU"}}
    told = decision(CUSTOMER, snapshot=Snapshot(score=3, segment="detractor", **snapshot))
    (found,) = planned(told, play("sorry", "detractor", "reassure", variants=variants))
    assert (found.variant, found.template) == (variant, template)


def test_a_human_like_delay_is_spread_and_always_the_same() -> None:
    """Between two and thirty minutes, the same however often it is planned; none for alerts."""
    customers = [uuid.uuid5(uuid.NAMESPACE_OID, str(n)) for n in range(100)]
    book = rules(play("thanks", "promoter", "invite"), targets=[SLOW])
    twice = [
        [planned(decision(c, segment="promoter"), book=book)[0].send_at for c in customers]
        for _ in range(2)
    ]
    assert twice[0] == twice[1]
    delays = [at - NOW for at in twice[0]]
    assert all(timedelta(minutes=2) <= delay <= timedelta(minutes=30) for delay in delays)
    assert len(set(delays)) > 80
    alert = play("alert", "detractor", "alert", channels=["chat"], **{"class": "internal"})
    (found,) = planned(decision(CUSTOMER), alert, targets=[SLOW])
    assert found.send_at == NOW


@pytest.mark.parametrize(
    ("target", "test", "expected"),
    [
        pytest.param("shop", False, "shop", id="a-customer"),
        pytest.param("shop", True, "trial", id="the-first-sandbox-that-can-carry-it"),
        pytest.param("lab", True, "lab", id="the-play-names-a-sandbox"),
        pytest.param("lab", False, "lab", id="a-customer-may-go-to-a-sandbox"),
    ],
)
def test_where_a_test_respondents_delivery_goes(target: str, test: bool, expected: str) -> None:
    """To a sandbox, the play's own if it is one; its rules are that sandbox's."""
    known = [
        TargetRules("shop", 8),
        TargetRules("letters", 8, sandbox=True, channels=("post",)),
        TargetRules("till", 8, sandbox=True, classes=("service",)),
        TargetRules("trial", 8, skip_delay_and_quiet_hours=True, sandbox=True),
        TargetRules("lab", 8, skip_delay_and_quiet_hours=True, sandbox=True),
    ]
    book = rules(play("thanks", "promoter", "invite", target=target), targets=known)
    (delivery,) = planned(decision(CUSTOMER, segment="promoter", test=test), book=book)
    assert (delivery.target, delivery.state) == (expected, "planned")
    assert (delivery.send_at == NOW) == (expected != "shop")


@pytest.mark.parametrize(
    ("store", "target", "room"),
    [
        pytest.param("Lyon", "alerts", "C01", id="its owner"),
        pytest.param("Nice", "sandbox", None, id="nobody's: the play's own target"),
    ],
)
def test_an_alert_goes_to_its_owner(store: str, target: str, room: str | None) -> None:
    """By an attribute of the customer; the room goes along with the message."""
    alert = play(
        "alert",
        "detractor",
        "internal_alert",
        trigger="received",
        channels=["chat"],
        route={"attribute": "store", "to": {"lyon": {"target": "alerts", "room": "C01"}}},
        **{"class": "internal"},
    )
    (delivery,) = planned(decision(attributes={"store": store}), alert)

    assert (delivery.target, delivery.context.get("room")) == (target, room)
    assert delivery.reason == "planned"


def test_an_answer_that_brings_a_coupon_asks_for_no_review() -> None:
    """A review is not for sale: of plays that match together, the one asking for it is silent."""
    gift = play("gift", "promoter", "discount", coupon="spring")
    review = play("review", "promoter", "review_invite", review_site="shopvoice")
    more: dict[str, Any] = {
        "coupon_pools": {"spring": {"most": 9, "period": "30 d"}},
        "review_sites": {"shopvoice": {"audience": "promoters"}},
    }
    both = planned(decision(CUSTOMER, segment="promoter"), gift, review, **more)
    assert {d.play: d.state for d in both} == {"gift": "planned", "review": "suppressed"}
    assert both[1].reason == "no review is asked for: a coupon goes with the same answer"
    alone = planned(decision(CUSTOMER, segment="promoter"), review, **more)
    assert [d.state for d in alone] == ["planned"]
