"""Plays that ask a question: after a case, after a long silence, when she leaves."""

from tests.builders.stories import (
    MINUTE,
    Gets,
    Held,
    Journey,
    about,
    answer,
    case,
    earlier,
    heard,
    opts_out,
    refuses,
    written_to,
)
from tests.contracts.every_play.alerts import A_TEST, LATE, LEAVES, PROMOTER, TEST
from tests.contracts.every_play.asks import OPEN

NOT_ASKED = "no permit for survey: email: survey refused on this channel"
AGAIN = "a case of hers is open: how it went is asked when it is resolved"
SOLVED = (answer(2), case("opened", 0.1), case("resolved", 2))
#: Fifteen days after it was resolved.
DUE = 17.0

JOURNEYS = (
    Journey(
        "exit-question",
        {
            "one question": Gets((*PROMOTER, LEAVES), "exit_question", "EXIT_EN"),
            "in her words": Gets(
                (about(-3, language="fr", tone="tu"), *PROMOTER, LEAVES),
                "exit_question",
                "EXIT_FR_TU",
            ),
            "a week after another's message": Gets(
                (*PROMOTER, written_to(-5), LEAVES), "exit_question", "EXIT_EN", after=2
            ),
        },
        {
            "a passive left": Held((earlier(7, -100, 9), LEAVES)),
            "she wants no surveys": Held((*PROMOTER, opts_out(), LEAVES), "suppressed", NOT_ASKED),
            "asked this quarter": Held(
                (earlier(9, -40, 9), LEAVES), "suppressed", "hold survey_family: "
            ),
            "written to yesterday": Held(
                (*PROMOTER, written_to(-1), LEAVES), "suppressed", "hold after_contact: contacted"
            ),
            "a case of hers is open": Held(
                (*PROMOTER, case("opened", -1), LEAVES), "suppressed", OPEN
            ),
            "she left before": Held(
                (*PROMOTER, LEAVES, about(1, lifecycle="active"), about(2, lifecycle="churned")),
                "suppressed",
                "once per customer: exit_question was already planned",
                sent=1,
            ),
            "three days old": Held((*PROMOTER, heard(LEAVES, 3.1)), "expired", LATE),
            "a test": Held((TEST, *PROMOTER, LEAVES), "suppressed", A_TEST),
        },
    ),
    Journey(
        "resurvey",
        {
            "on the fifteenth day": Gets(SOLVED, "resurvey", "RESURVEY_EN", after=DUE),
            "in her words": Gets(
                (about(language="fr"), *SOLVED), "resurvey", "RESURVEY_FR", after=DUE
            ),
            "by text message, who refused surveys by mail": Gets(
                (refuses("survey", "email"), *SOLVED), "resurvey", "RESURVEY_EN", "sms", after=DUE
            ),
            "after the second end": Gets(
                (*SOLVED, case("reopened", 4), case("resolved", 5)),
                "resurvey",
                "RESURVEY_EN",
                after=DUE + 3,
            ),
            "though she was written to": Gets(
                (*SOLVED, written_to(15)), "resurvey", "RESURVEY_EN", after=DUE
            ),
            "after a threat without a score": Gets(
                (answer(comment="Je vais saisir mon avocat"), *SOLVED[1:]),
                "resurvey",
                "RESURVEY_EN",
                after=DUE,
            ),
        },
        {
            "reopened before the day": Held((*SOLVED, case("reopened", 9))),
            "reopened while it waited": Held(
                (*SOLVED, case("reopened", DUE + MINUTE)), "superseded", AGAIN
            ),
            "reopened while the platform was away": Held(
                (*SOLVED, case("reopened", DUE + 1)), "superseded", AGAIN, unreached=True
            ),
            "she answered meanwhile": Held((*SOLVED, answer(9, 9, number=2))),
            "she answered while it waited": Held(
                (*SOLVED, answer(9, DUE + MINUTE, number=2)), "suppressed", "hold survey_family: "
            ),
            "she wants no surveys": Held(
                (*SOLVED, opts_out(9)),
                "suppressed",
                f"{NOT_ASKED}; sms: survey refused on this channel",
            ),
            "held by your systems": Held(
                (*SOLVED, about(9, contact_hold_until="2026-04-30T00:00:00Z")),
                "suppressed",
                "hold contact_hold: held by the attribute contact_hold_until",
            ),
            "heard of after the day": Held((*SOLVED[:2], case("resolved", 2, told=DUE + 1))),
            "nobody answers for three days": Held(
                SOLVED, "expired", "no next try before the deadline", unreached=True
            ),
            "a test": Held((TEST, *SOLVED), "suppressed", A_TEST),
        },
        days=24,
    ),
    Journey(
        "lapsed-invite",
        {
            "after a year": Gets((answer(9),), "survey_invite", "LAPSED_EN", after=365),
            "in her words": Gets(
                (about(language="fr", tone="tu"), answer(9)),
                "survey_invite",
                "LAPSED_FR_TU",
                after=365,
            ),
            "a year after an answer that was imported": Gets(
                (earlier(9, -300, 1),), "survey_invite", "LAPSED_EN", after=65
            ),
            "a week after another's message": Gets(
                (answer(9), written_to(360)), "survey_invite", "LAPSED_EN", after=367
            ),
        },
        {
            "she answered again": Held((answer(9), answer(8, 200, number=2))),
            "she wants no surveys": Held((answer(9), opts_out(9)), "suppressed", NOT_ASKED),
            "a case of hers is open": Held(
                (answer(9), case("opened", 330, number=7)), "suppressed", OPEN
            ),
            "a test": Held((TEST, answer(9)), "suppressed", A_TEST),
        },
        days=400,
    ),
)
