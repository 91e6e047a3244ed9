"""Plays that ask those who are happy, and what they get for it."""

from tests.builders.house import Story
from tests.builders.stories import (
    MINUTE,
    Gets,
    Held,
    Journey,
    about,
    answer,
    case,
    completes,
    earlier,
    refuses,
    written_to,
)
from tests.contracts.every_play.alerts import A_TEST, LATE, TEST
from tests.contracts.every_play.replies import EVENING, MORNING, NO_MAIL, NOT_SERVED

UNKNOWN = "no permit for marketing: email: no consent to marketing is known"
REFUSED = "no permit for marketing: email: marketing refused on this channel"
FIRST = "only one of 'promoter-ask': play {} goes first"
OPEN = "hold open_case: a case of hers, opened less than 90 days ago, is not resolved"
COMPLAINS = "hold complaint: a promoter's newest answer, less than 30 days ago, complains: delivery"
#: Two kind answers before this one make her ready to be an ambassador.
MATURE = (earlier(10, -200, 8), earlier(10, -100, 9))
ROUND = {
    "ambassador-invite": "ambassador_joined",
    "review-invite": "review_left",
    "referral-invite": "referral",
    "loyalty-invite": "loyalty_joined",
    "privilege": "privilege_used",
}


def _done(play: str) -> Story:
    """She has done, a month ago, all that is asked before this."""
    before = list(ROUND)[: list(ROUND).index(play)]
    return tuple(completes(ROUND[one], -30) for one in before)


def _ask(play: str, action: str, template: str, *, before: Story = (), **own: Held) -> Journey:
    """Each ask has the same holds; `before` makes her mature, who is asked the first of them."""
    what, ready = ROUND[play], (*_done(play), *before)
    return Journey(
        play,
        {
            "once": Gets((*ready, answer(9)), action, f"{template}_EN", target="sandbox_unkeyed"),
            "in her words": Gets(
                (about(-3, language="fr", tone="tu"), *ready, answer(10)),
                action,
                f"{template}_FR_TU",
                target="sandbox_unkeyed",
            ),
            "in the morning": Gets(
                (*ready, answer(9, EVENING)),
                action,
                f"{template}_EN",
                target="sandbox_unkeyed",
                after=MORNING,
            ),
            "though she had said less at first": Gets(
                (*ready, answer(8), answer(9, told=MINUTE, revision=2)),
                action,
                f"{template}_EN",
                target="sandbox_unkeyed",
            ),
        },
        {
            "no yes is known": Held((*ready, answer(9, yes=False)), "suppressed", UNKNOWN),
            "she said no": Held(
                (*ready, answer(9), refuses("marketing", "email", at=MINUTE)),
                "suppressed",
                REFUSED,
            ),
            "she did it before": Held(
                (*ready, completes(what, -20), answer(9)),
                "suppressed",
                f"done: she completed {what}",
            ),
            "she did it while it waited": Held(
                (*ready, answer(9), completes(what, MINUTE)), "superseded", f"she did it: {what}"
            ),
            "she was asked already": Held(
                (*ready, answer(9), answer(9, 100, number=2)),
                "suppressed",
                f"once per customer: {action} was already planned",
                sent=1,
            ),
            "revised downward before it went": Held(
                (*ready, answer(9), answer(8, told=MINUTE, revision=2)),
                "superseded",
                "she is passive now",
            ),
            "three offers within the week": Held(
                (*ready, *(written_to(at) for at in (-3, -2, -1)), answer(9)),
                "suppressed",
                "budget email-week: 3 of 3 in 168 h; next free",
            ),
            "kind words, and a threat": Held(
                (*ready, answer(9, comment="Très bien, mais je vais saisir mon avocat")),
                *(() if before else ("suppressed", OPEN)),
            ),
            "kind words, and a complaint": Held(
                (*ready, answer(9, comment="Très bien, mais la livraison était en retard")),
                *(() if before else ("suppressed", COMPLAINS)),
            ),
            "a passive": Held((*ready, answer(8))),
            "three days old": Held((*ready, answer(9, told=3.1)), "expired", LATE),
            "a test": Held(
                (about(-40, test_respondent="yes"), *ready, answer(9)), "suppressed", A_TEST
            ),
            **own,
        },
        days=104,
    )


JOURNEYS = (
    _ask(
        "ambassador-invite",
        "ambassador_invite",
        "AMBASSADOR",
        before=MATURE,
        not_mature=Held((answer(9),)),
        unhappy_within_the_year=Held((earlier(3, -300, 7), *MATURE, answer(9))),
        a_case_is_open=Held((*MATURE, case("opened", -1, number=7), answer(9))),
    ),
    _ask(
        "review-invite",
        "review_invite",
        "REVIEW",
        mature=Held((*MATURE, answer(9)), "suppressed", FIRST.format("ambassador-invite")),
        a_case_is_open=Held((case("opened", -1, number=7), answer(9)), "suppressed", OPEN),
        two_asks_in_a_quarter=Held(
            (*MATURE, answer(9), answer(9, 80, number=2)),
            "suppressed",
            "cooldown: review_invite at most once per 90 d, ambassador_invite counted with it",
        ),
    ),
    _ask(
        "referral-invite",
        "referral_invite",
        "REFERRAL",
        her_first=Held((answer(9),), "suppressed", FIRST.format("review-invite")),
        two_asks_in_a_quarter=Held(
            (answer(9), answer(9, 80, number=2)),
            "suppressed",
            "cooldown: referral_invite at most once per 90 d, review_invite counted with it",
        ),
    ),
    _ask(
        "loyalty-invite",
        "loyalty_invite",
        "LOYALTY",
        others_go_first=Held((answer(9),), "suppressed", FIRST.format("review-invite")),
    ),
    _ask(
        "privilege",
        "privilege",
        "PRIVILEGE",
        others_go_first=Held((answer(9),), "suppressed", FIRST.format("review-invite")),
    ),
    Journey(
        "referral-reward",
        {
            "with a code": Gets(
                (answer(9, -30), completes("referral")),
                "referral_reward",
                "REWARD_EN",
                context={"coupon": "REFERRAL-"},
            ),
            "who refused offers, while a case of hers is open": Gets(
                (
                    answer(9, -30, yes=False),
                    refuses("marketing", "email"),
                    case("opened", -2, number=7),
                    completes("referral"),
                ),
                "referral_reward",
                "REWARD_EN",
            ),
            "three weeks late, but not missing": Gets(
                (answer(9, -30), completes("referral", -21, told=0)),
                "referral_reward",
                "REWARD_EN",
            ),
        },
        {
            "she wants no mail": Held(
                (answer(9, -30), NO_MAIL, completes("referral")), "suppressed", NOT_SERVED
            ),
            "something else was completed": Held((answer(9, -30), completes("review_left"))),
            "her second friend": Held(
                (answer(9, -30), completes("referral"), completes("referral", 3)),
                "suppressed",
                "once per customer: referral_reward was already planned",
                sent=1,
            ),
            "a month late": Held(
                (answer(9, -40), completes("referral", -31, told=0)), "expired", LATE
            ),
            "a test": Held((TEST, completes("referral")), "suppressed", A_TEST),
        },
    ),
    Journey(
        "panel-invite",
        {
            "whatever the score": Gets((answer(2, panel_opt_in=True),), "panel_invite", "PANEL_EN"),
            "without any yes to offers": Gets(
                (about(language="fr"), answer(9, yes=False, panel_opt_in=True)),
                "panel_invite",
                "PANEL_FR",
            ),
        },
        {
            "she did not agree": Held((answer(9, panel_opt_in=False),)),
            "she wants no mail": Held(
                (NO_MAIL, answer(9, panel_opt_in=True)), "suppressed", NOT_SERVED
            ),
            "she is in it": Held(
                (completes("panel_joined", -9), answer(9, panel_opt_in=True)),
                "suppressed",
                "done: she completed panel_joined",
            ),
            "she was asked already": Held(
                (answer(9, panel_opt_in=True), answer(9, 3, number=2, panel_opt_in=True)),
                "suppressed",
                "once per customer: panel_invite was already planned",
                sent=1,
            ),
            "three days old": Held((answer(9, told=3.1, panel_opt_in=True),), "expired", LATE),
            "a test": Held((TEST, answer(9, panel_opt_in=True)), "suppressed", A_TEST),
        },
    ),
)
