"""Plays that answer what somebody told us."""

from tests.builders.stories import (
    MINUTE,
    Gets,
    Held,
    Journey,
    about,
    answer,
    case,
    earlier,
    refuses,
    written_to,
)
from tests.contracts.every_play.alerts import A_TEST, LATE, TEST

RAISED = answer(9, told=MINUTE, revision=2)
LOWERED = answer(3, told=MINUTE, revision=2)
NO_MAIL = refuses("service", "email")
NOT_SERVED = "no permit for service: email: service refused on this channel"
HELD_BY_US = about(contact_hold_until="2026-04-30T00:00:00Z")
BY_US = "hold contact_hold: held by the attribute contact_hold_until; next free"
#: Ten in the evening in Paris, and eight the next morning.
EVENING, MORNING = 9 / 24, 19 / 24


def _sorry(template: str, comment: str, **attributes: str) -> Gets:
    theme = template.split("_")[1].lower()
    told = (about(**attributes),) if attributes else ()
    return Gets((*told, answer(2, comment=comment)), "reassurance", template, variant=theme)


JOURNEYS = (
    Journey(
        "reassurance",
        {
            "about the price": _sorry("REASSURE_PRICE_EN", "Beaucoup trop cher"),
            "about the delivery": _sorry(
                "REASSURE_DELIVERY_FR", "Livraison en retard", language="fr"
            ),
            "to a friend of the house": _sorry(
                "REASSURE_SERVICE_FR_TU",
                "Accueil glacial, vendeur impoli",
                language="fr",
                tone="tu",
            ),
            "about the product": _sorry("REASSURE_PRODUCT_EN", "Le produit est cassé"),
            "without a reason, and without any yes": Gets(
                (answer(0, yes=False),), "reassurance", "REASSURE_EN"
            ),
            "by text message, who refused mail": Gets(
                (NO_MAIL, answer(4)), "reassurance", "REASSURE_EN", "sms"
            ),
            "at night too": Gets((answer(4, EVENING),), "reassurance", "REASSURE_EN"),
            "once the comment has come": Gets(
                (
                    answer(4, complete=False),
                    answer(told=2 * MINUTE, revision=2, complete=False, comment="Trop cher"),
                ),
                "reassurance",
                "REASSURE_PRICE_EN",
                variant="price",
                after=7 * MINUTE,
            ),
            "instead of the thanks, who lowered her answer": Gets(
                (answer(9, yes=False, comment="Parfait"), LOWERED), "reassurance", "REASSURE_EN"
            ),
            "while a case of hers is open": Gets(
                (case("opened", -1, number=7), answer(4)), "reassurance", "REASSURE_EN"
            ),
            "thanked for her answer before": Gets(
                (answer(9, yes=False, comment="Parfait"), answer(3, 10, number=2)),
                "reassurance",
                "REASSURE_EN",
                after=10,
            ),
            "thanked already for the answer that she lowers": Gets(
                (answer(9, yes=False, comment="Parfait"), answer(3, told=0.1, revision=2)),
                "reassurance",
                "REASSURE_EN",
            ),
        },
        {
            "she wants none": Held(
                (refuses("service", "email", "sms"), answer(2)),
                "suppressed",
                f"{NOT_SERVED}; sms: service refused on this channel",
            ),
            "held by your systems": Held((HELD_BY_US, answer(2)), "suppressed", BY_US),
            "the same apology again": Held(
                (answer(2), answer(1, 10, number=2)),
                "suppressed",
                "cooldown: reassurance at most once per 30 d; next free",
                sent=1,
            ),
            "revised upward before it went": Held(
                (answer(2), RAISED), "superseded", "she is promoter now"
            ),
            "three days old": Held((answer(2, told=3.1),), "expired", LATE),
            "a passive": Held((answer(7),)),
            "a test": Held((TEST, answer(2)), "suppressed", A_TEST),
        },
        days=14,
    ),
    Journey(
        "thanks",
        {
            "a passive wrote, without any yes": Gets(
                (answer(8, yes=False, comment="Correct."),), "thanks", "THANKS_EN"
            ),
            "a promoter wrote, without any yes": Gets(
                (about(language="fr"), answer(10, yes=False, comment="Parfait")),
                "thanks",
                "THANKS_FR",
            ),
            "happier after an apology": Gets(
                (answer(2, yes=False), answer(9, 10, number=2, yes=False, comment="Mieux")),
                "thanks",
                "THANKS_EN",
                after=10,
            ),
            "no offer may go, for a case of hers is open": Gets(
                (case("opened", -1, number=7), answer(8, comment="Correct.")),
                "thanks",
                "THANKS_EN",
            ),
            "her comment came when the offer had gone": Gets(
                (answer(8), answer(8, told=0.1, revision=2, comment="Correct.")),
                "thanks",
                "THANKS_EN",
                after=0.1,
            ),
        },
        {
            "she wrote nothing": Held((answer(9),)),
            "the discount thanks": Held(
                (answer(8, comment="Correct."),),
                "suppressed",
                "goes alone: play passive-discount writes to her of the same",
            ),
            "the ask thanks": Held(
                (answer(9, comment="Parfait"),),
                "suppressed",
                "goes alone: play review-invite writes to her of the same",
            ),
            "the reassurance thanks": Held((answer(2, comment="Trop cher"),)),
            "she wants no mail": Held(
                (NO_MAIL, answer(9, comment="Parfait")), "suppressed", NOT_SERVED
            ),
            "held by your systems": Held(
                (HELD_BY_US, answer(9, comment="Parfait")), "suppressed", BY_US
            ),
            "thanked lately": Held(
                (
                    answer(9, yes=False, comment="Parfait"),
                    answer(9, 10, number=2, yes=False, comment="Encore"),
                ),
                "suppressed",
                "cooldown: thanks at most once per 30 d; next free",
                sent=1,
            ),
            "revised downward before it went": Held(
                (answer(9, yes=False, comment="Parfait"), LOWERED),
                "superseded",
                "she is detractor now",
            ),
            "three days old": Held((answer(9, told=3.1, comment="Parfait"),), "expired", LATE),
            "a test": Held((TEST, answer(9, comment="Parfait")), "suppressed", A_TEST),
        },
        days=14,
    ),
    Journey(
        "passive-discount",
        {
            "with a code": Gets(
                (answer(8),), "discount", "DISCOUNT_EN", context={"coupon": "PASSIVE-"}
            ),
            "in her words": Gets(
                (about(language="fr", tone="tu"), answer(7)), "discount", "DISCOUNT_FR_TU"
            ),
            "in the morning": Gets((answer(8, EVENING),), "discount", "DISCOUNT_EN", after=MORNING),
            "sixteen hours after another's offer": Gets(
                (written_to(-0.5), answer(8)), "discount", "DISCOUNT_EN", after=16 / 24 - 0.5
            ),
        },
        {
            "no yes is known": Held(
                (answer(8, yes=False),),
                "suppressed",
                "no permit for marketing: email: no consent to marketing is known",
            ),
            "she said no": Held(
                (answer(8), refuses("marketing", "email", at=MINUTE)),
                "suppressed",
                "no permit for marketing: email: marketing refused on this channel",
            ),
            "three offers within the week": Held(
                (*(written_to(at) for at in (-3, -2, -1)), answer(8)),
                "suppressed",
                "budget email-week: 3 of 3 in 168 h; next free",
            ),
            "a case of hers is open": Held(
                (case("opened", -1, number=7), answer(8)),
                "suppressed",
                "hold open_case: a case of hers, opened less than 90 days ago, is not resolved",
            ),
            "she lowered her answer": Held(
                (answer(9), answer(8, told=MINUTE, revision=2)),
                "suppressed",
                "no coupon: the score was changed downwards",
            ),
            "revised upward before it went": Held(
                (answer(8), RAISED), "superseded", "she is promoter now"
            ),
            "passive again": Held(
                (earlier(7, -100, 9), answer(8)),
                "suppressed",
                "only one of 'passive-answer': play passive-follow-up goes first",
            ),
            "she had one": Held(
                (answer(8), answer(9, 5, number=2), answer(8, 10, number=3)),
                "suppressed",
                "cooldown: discount at most once per 30 d; next free",
                sent=1,
            ),
            "three days old": Held((answer(8, told=3.1),), "expired", LATE),
            "a test": Held((TEST, answer(8)), "suppressed", A_TEST),
        },
        days=14,
    ),
    Journey(
        "passive-follow-up",
        {
            "passive again, without any yes": Gets(
                (earlier(7, -100, 9), answer(8, yes=False)), "follow_up", "FOLLOW_UP_EN"
            ),
        },
        {
            "for the first time": Held((answer(8),)),
            "after another segment": Held((earlier(9, -100, 9), answer(8))),
            "she had the discount lately": Held(
                (answer(8), answer(7, 10, number=2)),
                "suppressed",
                "cooldown: follow_up at most once per 30 d, discount counted with it; next free",
            ),
            "she wants no mail": Held(
                (NO_MAIL, earlier(7, -100, 9), answer(8)), "suppressed", NOT_SERVED
            ),
            "held by your systems": Held(
                (HELD_BY_US, earlier(7, -100, 9), answer(8)), "suppressed", BY_US
            ),
            "revised downward before it went": Held(
                (earlier(7, -100, 9), answer(8), LOWERED), "superseded", "she is detractor now"
            ),
            "three days old": Held((earlier(7, -100, 9), answer(8, told=3.1)), "expired", LATE),
            "a test": Held((TEST, earlier(7, -100, 9), answer(8)), "suppressed", A_TEST),
        },
        days=14,
    ),
)
