"""What kind of reason stands behind a state: closed words, to count by. Pure.

In: a delivery. Out: one of `KINDS`. The reason itself is a sentence with dates, counts and words of
the platform in it, which no label may hold; how it begins says which rule wrote it.
"""

from typing import Final, Literal, get_args

from services.dispatcher.delivery import ERASED, Delivery
from services.dispatcher.gates.newer import REVISED
from services.dispatcher.plan.beside import ALONE
from services.dispatcher.plan.parking import SURGE, TRIAL
from services.dispatcher.plan.plan import ONLY_ONE
from services.dispatcher.playbook.offers import NO_CODE
from shared.events.outcomes import DeliveryState

#: `planned`, `attempt`: its way, without a refusal; `platform`: what the platform answered, or that
#: it did not; `doubt`: an unanswered call may have reached her; `newer`: something known by now
#: makes it wrong; `brake`: a surge or the first of a changed play; `report`: a platform's web-hook.
Kind = Literal[
    "planned", "attempt", "platform", "doubt", "deadline", "budget", "hold", "quiet", "permit",
    "cooldown", "done", "only_one_of", "hold_out", "coupon", "revised", "newer", "stale", "profile",
    "brake", "test", "digest", "target", "operator", "report", "erased",
]  # fmt: skip
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

#: How reasons begin, whatever the state; of two that fit the longer beginning counts.
_BEGINS: Final[tuple[tuple[str, Kind], ...]] = (
    ("the deadline was ", "deadline"),
    ("too old: ", "deadline"),
    ("no next try before the deadline ", "deadline"),
    ("budget ", "budget"),
    ("hold ", "hold"),
    ("quiet hours", "quiet"),
    ("calendar ", "quiet"),
    ("its readers' night", "quiet"),
    ("no permit ", "permit"),
    ("cooldown: ", "cooldown"),
    ("once per customer: ", "cooldown"),
    ("done: ", "done"),
    ("she did it: ", "done"),
    (ONLY_ONE, "only_one_of"),
    (ALONE, "only_one_of"),
    ("hold-out: ", "hold_out"),
    (NO_CODE, "coupon"),
    ("no coupon: ", "coupon"),
    ("no review is asked for: ", "coupon"),
    ("one code per cause: ", "coupon"),
    ("a code was given", "coupon"),
    (REVISED, "revised"),
    ("the answer was revised ", "revised"),
    ("the answer is again ", "revised"),
    ("the alert that it corrects ", "revised"),
    ("state is stale: ", "stale"),
    ("her state is not known yet", "stale"),
    ("her profile ", "profile"),
    (SURGE, "brake"),
    (TRIAL, "brake"),
    ("test respondent", "test"),
    ("gathered into digest ", "digest"),
    ("digest ", "digest"),
    ("its target is not configured", "target"),
    ("settled as ", "operator"),
    ("sent on by ", "operator"),
    ("cancelled by ", "operator"),
    ("the platform reported the message", "report"),
    ("she did what it asks for", "report"),
    (ERASED, "erased"),
)
#: By first letters: of thirty beginnings at most a few are compared.
_BY_LETTER: Final[dict[str, tuple[tuple[str, Kind], ...]]] = {
    letter: tuple(sorted((b for b in _BEGINS if b[0][0] == letter), key=lambda b: -len(b[0])))
    for letter in {begins[0] for begins, _ in _BEGINS}
}
#: What a state means where no beginning is known: what a platform answers begins in many ways.
_OF_STATE: Final[dict[DeliveryState, Kind]] = {
    "planned": "planned",
    "sending": "attempt",
    "in_doubt": "doubt",
    "superseded": "newer",
}


def kind_of(delivery: Delivery) -> Kind:
    """Tell which kind of reason a delivery is in its state for."""
    if delivery.state in {"sending", "in_doubt"} and delivery.reason != ERASED:
        return _OF_STATE[delivery.state]
    reason = delivery.reason
    for begins, kind in _BY_LETTER.get(reason[:1], ()):
        if reason.startswith(begins):
            return kind
    return _OF_STATE.get(delivery.state, "platform")
