"""Plays by which colleagues hear of somebody, and the call that she asked for."""

from tests.builders.facts import day
from tests.builders.stories import (
    MINUTE,
    Gets,
    Held,
    Journey,
    about,
    answer,
    completes,
    earlier,
    heard,
    refuses,
)

TEST = about(test_respondent="yes")
A_TEST = "test respondent: no target but one with `sandbox: true` hears of her"
LATE = "too old: the deadline was"
PROMOTER = (earlier(10, -200, 8), earlier(9, -100, 9))
LEAVES = about(0, lifecycle="churned")
#: Her last order; the moment that she counts as gone comes a blink after `NOON`.
BOUGHT = about(last_order_at=day(-730).isoformat())

JOURNEYS = (
    Journey(
        "detractor-alert",
        {
            "at once, at night too": Gets(
                (answer(3, 0.5),), "internal_alert", "ALERT_DETRACTOR", "chat"
            ),
            "a score without its comment yet": Gets(
                (answer(6, complete=False),), "internal_alert", "ALERT_DETRACTOR", "chat"
            ),
        },
        {
            "she is worth more": Held(
                (about(mrr=900), answer(3)),
                "suppressed",
                "only one of 'unhappy-alert': play high-value-alert goes first",
            ),
            "a day old": Held((answer(3, told=1.1),), "expired", LATE),
            "a passive": Held((answer(7),)),
            "imported": Held((earlier(3, -10, 1),)),
            "older than what is known": Held((answer(9), answer(3, -1, number=2, told=0.1))),
            "a test": Held((TEST, answer(3)), "suppressed", A_TEST),
        },
        signed=False,
    ),
    Journey(
        "escalation-alert",
        {
            "whatever the score": Gets(
                (answer(9, comment="Je vais saisir mon avocat"),),
                "escalation_alert",
                "ALERT_ESCALATION",
                "ticket",
            ),
            "in a comment without a score": Gets(
                (answer(comment="Je vais saisir mon avocat"),),
                "escalation_alert",
                "ALERT_ESCALATION",
                "ticket",
                context={"other_answer": "nps"},
            ),
            "in an answer older than her newest": Gets(
                (answer(9), answer(7, -0.1, number=2, told=0.1, comment="Mon avocat")),
                "escalation_alert",
                "ALERT_ESCALATION",
                "ticket",
                context={"other_answer": "nps"},
            ),
        },
        {
            "a day old": Held((answer(2, told=1.1, comment="Mon avocat"),), "expired", LATE),
            "nothing raised": Held((answer(2, comment="Trop cher"),)),
            "only a farewell": Held((answer(2, comment="Je résilie mon abonnement"),)),
            "a test": Held((TEST, answer(2, comment="Mon avocat")), "suppressed", A_TEST),
        },
        signed=False,
    ),
    Journey(
        "high-value-alert",
        {
            "by name, of a passive too": Gets(
                (about(mrr=500), answer(7)), "high_value_alert", "ALERT_HIGH_VALUE", "chat"
            ),
        },
        {
            "worth less": Held((about(mrr=499), answer(3))),
            "her worth is no number": Held((about(mrr="a lot"), answer(3))),
            "a promoter": Held((about(mrr=900), answer(9))),
            "a day old": Held((about(mrr=900), answer(3, told=1.1)), "expired", LATE),
            "a test": Held((TEST, about(-0.5, mrr=900), answer(3)), "suppressed", A_TEST),
        },
        signed=False,
    ),
    Journey(
        "churned-promoter-alert",
        {
            "a promoter left": Gets((*PROMOTER, LEAVES), "churned_alert", "ALERT_CHURNED", "chat"),
            "a promoter has ordered nothing for two years": Gets(
                (*PROMOTER, BOUGHT), "churned_alert", "ALERT_CHURNED", "chat", after=0
            ),
        },
        {
            "a passive left": Held((earlier(7, -100, 9), LEAVES)),
            "a passive has ordered nothing for two years": Held((earlier(7, -100, 9), BOUGHT)),
            "an order of long ago is heard of": Held(
                (*PROMOTER, about(last_order_at=day(-732).isoformat()))
            ),
            "she orders again": Held((*PROMOTER, BOUGHT, completes("purchase", -0.5))),
            "her systems say so, too": Held(
                (*PROMOTER, BOUGHT, about(1, lifecycle="churned")), "accepted", sent=1
            ),
            "told again": Held(
                (*PROMOTER, about(-0.5, lifecycle="churned"), about(0, lifecycle="churned")),
                "accepted",
                sent=1,
            ),
            "a day old": Held((*PROMOTER, heard(LEAVES, 1.1)), "expired", LATE),
            "a test": Held((TEST, *PROMOTER, LEAVES), "suppressed", A_TEST),
        },
        signed=False,
    ),
    Journey(
        "call-back",
        {
            "whatever the score": Gets(
                (answer(10, callback_requested=True),), "call_back", "CALL_BACK", "call"
            ),
            "without a yes to marketing": Gets(
                (answer(2, yes=False, callback_requested=True),), "call_back", "CALL_BACK", "call"
            ),
            "without a score": Gets(
                (answer(callback_requested=True),), "call_back", "CALL_BACK", "call"
            ),
            "with a score of another metric": Gets(
                (answer(4, metric="csat", callback_requested=True),),
                "call_back",
                "CALL_BACK",
                "call",
                context={"case_id": "nps/", "other_answer": "nps"},
            ),
            "in an answer older than her newest": Gets(
                (answer(9), answer(None, -0.1, number=2, told=0.1, callback_requested=True)),
                "call_back",
                "CALL_BACK",
                "call",
            ),
            "before her answer is complete": Gets(
                (answer(9, complete=False, callback_requested=True),),
                "call_back",
                "CALL_BACK",
                "call",
            ),
            "ticked by a revision": Gets(
                (answer(9, revision=1), answer(9, told=0.1, revision=2, callback_requested=True)),
                "call_back",
                "CALL_BACK",
                "call",
            ),
            "once, though her answer is revised": Gets(
                (
                    answer(9, revision=1, callback_requested=True),
                    answer(10, told=0.1, revision=2, callback_requested=True),
                    answer(10, told=0.2, revision=3, comment="Merci"),
                ),
                "call_back",
                "CALL_BACK",
                "call",
                after=0,
            ),
            "taken back, and asked for again": Gets(
                (
                    answer(callback_requested=True, revision=1),
                    answer(told=MINUTE, callback_requested=False, revision=2),
                    answer(told=0.1, callback_requested=True, revision=3),
                ),
                "call_back",
                "CALL_BACK",
                "call",
            ),
            "though a newer answer does not ask": Gets(
                (answer(callback_requested=True), answer(3, MINUTE, number=2)),
                "call_back",
                "CALL_BACK",
                "call",
                after=0,
            ),
        },
        {
            "she did not ask": Held((answer(2, callback_requested=False),)),
            "she wants no calls": Held(
                (refuses("service", "call"), answer(2, callback_requested=True)),
                "suppressed",
                "no permit for asked_for: call: service refused on this channel",
            ),
            "she took it back": Held(
                (
                    answer(2, callback_requested=True),
                    answer(2, told=MINUTE, revision=2, callback_requested=False),
                ),
                "superseded",
                "her answer was revised: it asks for no call now",
            ),
            "imported": Held((answer(2, told=0.1, history=True, callback_requested=True),)),
            "a day late": Held((answer(2, told=1.1, callback_requested=True),), "expired", LATE),
            "a day late, without a score": Held(
                (answer(told=1.1, callback_requested=True),), "expired", LATE
            ),
            "nobody answers for a day": Held(
                (answer(2, callback_requested=True),), "expired", "the deadline", unreached=True
            ),
            "a test": Held((TEST, answer(2, callback_requested=True)), "suppressed", A_TEST),
        },
        signed=False,
    ),
)
