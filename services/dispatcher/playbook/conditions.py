"""Conditions: what a play's `when` asks for, and in whose hands each of it lies. Pure.

In: the conditions, what is known of an answer or of the customer. Out: whether all of it holds, or
in words what does not. An absent condition means any; one about what is not known (no score, an
attribute she does not have) does not hold.

A condition is a matter of the event (its survey, what she completed), of the answer (its score, its
theme, what she ticked, how it moved her) or of the customer (her lifecycle, her attributes). The
planner asks all three of one decision. Later an answer is asked anew by what a revision of it says,
and the customer by what she is then: `unlike` and `outgrown`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from services.dispatcher.ledger.attributes import OWN
from services.dispatcher.playbook.plays import When
from shared.events.decisions import CustomerDecided, MoveKind, Snapshot
from shared.events.vocabulary import Segment, Value

_Number = TypeVar("_Number", int, float)


class Answered(Protocol):
    """What plays ask of an answer: a decision's snapshot, or what was kept of it."""

    @property
    def score(self) -> int | None: ...  # noqa: D102 - as `Snapshot` says of each
    @property
    def segment(self) -> Segment | None: ...  # noqa: D102
    @property
    def previous_segment(self) -> Segment | None: ...  # noqa: D102
    @property
    def response_count(self) -> int: ...  # noqa: D102
    @property
    def streak(self) -> int: ...  # noqa: D102
    @property
    def recovered_from(self) -> int | None: ...  # noqa: D102
    @property
    def comment(self) -> object:
        """Her words, or whether there are any."""

    @property
    def theme(self) -> str | None: ...  # noqa: D102
    @property
    def pains(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def strengths(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def escalations(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def callback_requested(self) -> bool: ...  # noqa: D102
    @property
    def panel_opt_in(self) -> bool: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class _Condition:
    """One matter of the answer: whether it holds (an absent one does), and words where not."""

    holds: Callable[[When, Answered], bool]
    says: Callable[[When, Answered], str]


def matches(when: When, decision: CustomerDecided) -> bool:
    """Tell whether a decision shows everything that `when` asks for."""
    return (
        when.trigger in decision.cause.triggers
        and _of_the_event(when, decision)
        and _moved(when, decision.move.kind if decision.move else None)
        and all(condition.holds(when, decision.snapshot) for condition in _OF_THE_ANSWER)
        and _of_the_customer(when, decision.snapshot)
    )


def unlike(when: When, answer: Answered, move: MoveKind | None) -> str | None:
    """Say what an answer does not show (any more) of what `when` asks for; None: it shows all."""
    for condition in _OF_THE_ANSWER:
        if not condition.holds(when, answer):
            return condition.says(when, answer)
    if not _moved(when, move):
        return f"its move is {move or 'none'} now, the play wants {_either(when.move)}"
    return None


def unraised(when: When, answer: Answered) -> str | None:
    """Say what an answer does not raise (any more) that a play waits for; None: it raises it."""
    if not answer.escalations:
        return "it raises nothing now"
    return None if _RAISES.holds(when, answer) else _RAISES.says(when, answer)


def outgrown(when: When, known: Mapping[str, Value]) -> str | None:
    """Say what of `when` she is not any more; `known`: her canonical attributes. None: nothing.

    What is not told of her proves nothing, so only what is there can speak against a play; a value
    that was cleared does. Nobody outgrows `mature: false`: it chose a gentler ask, which is not
    wrong a day later. Nor a language or a tone: her words are of the answer, and what is written in
    them is still understood. No value is named: it is hers, and reasons are read by many.
    """
    if when.mature and not known.get("nps_mature", True):
        return "she is not ready to be an ambassador any more"
    lifecycle = known.get("lifecycle")
    if when.lifecycle and lifecycle is not None and lifecycle not in when.lifecycle:
        return f"her lifecycle is {lifecycle} now, the play wants {_either(when.lifecycle)}"
    for name in sorted({*when.attributes, *when.attributes_from, *when.attributes_to}):
        if f"{OWN}{name}" in known and not _fits(when, name, known[f"{OWN}{name}"]):
            return f"her attribute {name} is not what the play wants any more"
    return None


def _of_the_event(when: When, decision: CustomerDecided) -> bool:
    """Ask for what no later news of it can change, and for the language that she is written in."""
    snapshot, cause = decision.snapshot, decision.cause
    asked: tuple[tuple[Sequence[object], object], ...] = (
        (when.survey, cause.survey),
        (when.source, cause.source),
        (when.what, cause.what),
        (when.language, (snapshot.language or "").lower().partition("-")[0]),
        (when.tone, snapshot.tone),
    )
    return all(not wanted or value in wanted for wanted, value in asked)


def _moved(when: When, move: MoveKind | None) -> bool:
    return not when.move or move in when.move


def _of_the_customer(when: When, snapshot: Snapshot) -> bool:
    if when.lifecycle and snapshot.lifecycle not in when.lifecycle:
        return False
    ready = snapshot.maturity is not None and snapshot.maturity.ready
    if when.mature is not None and when.mature != ready:
        return False
    named = {*when.attributes, *when.attributes_from, *when.attributes_to}
    return all(_fits(when, name, snapshot.attributes.get(name)) for name in named)


def _fits(when: When, name: str, value: Value) -> bool:
    """Ask everything that `when` says of one attribute."""
    wanted = when.attributes.get(name)
    least, most = when.attributes_from.get(name), when.attributes_to.get(name)
    return (not wanted or value in wanted) and _in(_number(value), least, most)


def _one_of(key: str, says: str, none: str) -> _Condition:
    """Ask that hers is one of the values listed."""

    def holds(when: When, answer: Answered) -> bool:
        wanted = getattr(when, key)
        return not wanted or getattr(answer, key) in wanted

    def words(when: When, answer: Answered) -> str:
        value = getattr(answer, key)
        told = none if value is None else says.format(value)
        return f"{told} now, the play wants {_either(getattr(when, key))}"

    return _Condition(holds, words)


def _some_of(key: str, says: str) -> _Condition:
    """Ask that the answer shares something with the values listed."""

    def holds(when: When, answer: Answered) -> bool:
        wanted = getattr(when, key)
        return not wanted or not set(wanted).isdisjoint(getattr(answer, key))

    def words(when: When, answer: Answered) -> str:
        told = _either(getattr(answer, key), "and") or "nothing"
        return f"{says} {told} now, the play wants {_either(getattr(when, key))}"

    return _Condition(holds, words)


def _yes_or_no(key: str, seen: Callable[[Answered], bool], yes: str, no: str) -> _Condition:
    def holds(when: When, answer: Answered) -> bool:
        wanted = getattr(when, key)
        return wanted is None or wanted == seen(answer)

    return _Condition(holds, lambda _, answer: f"{yes if seen(answer) else no} now")


def _between(
    least: str, most: str | None, seen: Callable[[Answered], int | None], says: str, none: str
) -> _Condition:
    """Ask for bounds, both ends included."""

    def bounds(when: When) -> tuple[Any, Any]:
        return getattr(when, least), getattr(when, most) if most else None

    def holds(when: When, answer: Answered) -> bool:
        return _in(seen(answer), *bounds(when))

    def words(when: When, answer: Answered) -> str:
        low, high = bounds(when)
        value = seen(answer)
        told = none if value is None else says.format(value)
        if low is None or high is None:
            return f"{told} now, the play wants {_bound(low, high)}"
        return f"{told} now, the play wants {low} to {high}"

    return _Condition(holds, words)


def _bound(low: object, high: object) -> str:
    return f"at most {high}" if low is None else f"at least {low}"


def _either(values: Iterable[object], last: str = "or") -> str:
    *first, end = [str(value) for value in values] or [""]
    return f"{', '.join(first)} {last} {end}" if first else end


_RAISES: Final = _some_of("escalations", "it raises")
#: Asked in this order; the first that fails is told, so what a person knows an answer by leads.
_OF_THE_ANSWER: Final = (
    _one_of("segment", "she is {}", "she is in no segment"),
    _between("score_from", "score_to", lambda a: a.score, "it is {}", "it has no score"),
    _one_of("theme", "its theme is {}", "it has no theme"),
    _RAISES,
    _some_of("pains", "it complains of"),
    _some_of("strengths", "it praises"),
    _yes_or_no("has_comment", lambda a: bool(a.comment), "it has a comment", "it has no comment"),
    _yes_or_no(
        "callback_requested",
        lambda a: a.callback_requested,
        "she asks to be called back",
        "she asks for no call-back",
    ),
    _yes_or_no(
        "panel_opt_in",
        lambda a: a.panel_opt_in,
        "she agrees to the panel",
        "she does not agree to the panel",
    ),
    _one_of("previous_segment", "the answer before was of a {}", "there is no answer before"),
    _yes_or_no(
        "recovered",
        lambda a: a.recovered_from is not None,
        "it follows a resolved case",
        "it follows no resolved case",
    ),
    _between("streak_from", None, lambda a: a.streak, "its streak is {}", "it has no streak"),
    _between("answers_from", "answers_to", lambda a: a.response_count, "her answers are {}", ""),
)


def _in(value: _Number | None, least: _Number | None, most: _Number | None) -> bool:
    """Both ends included; what is not known lies in no bounds."""
    if least is None and most is None:
        return True
    if value is None:
        return False
    return (least is None or least <= value) and (most is None or value <= most)


def _number(value: Value) -> float | None:
    """Read an attribute as a number; a yes is none, though Python counts it as 1."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value)
