"""Conditions: whether a decision shows everything that a play's `when` asks for. Pure.

In: the conditions, a decision. Out: yes or no. An absent condition means any; one about what is not
known (no score, an attribute she does not have) does not hold.
"""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from services.dispatcher.playbook.plays import When
from shared.events.decisions import CustomerDecided, Snapshot
from shared.events.vocabulary import Value

_Number = TypeVar("_Number", int, float)


def matches(when: When, decision: CustomerDecided) -> bool:
    """Tell whether a decision shows everything that `when` asks for."""
    return (
        when.trigger in decision.cause.triggers
        and _one_of(when, decision)
        and _some_of(when, decision.snapshot)
        and _yes_or_no(when, decision.snapshot)
        and _between(when, decision.snapshot)
    )


def _one_of(when: When, decision: CustomerDecided) -> bool:
    """Ask the conditions that list the values which one of hers may have."""
    snapshot, cause = decision.snapshot, decision.cause
    asked: tuple[tuple[Sequence[object], object], ...] = (
        (when.segment, snapshot.segment),
        (when.previous_segment, snapshot.previous_segment),
        (when.theme, snapshot.theme),
        (when.move, decision.move.kind if decision.move else None),
        (when.survey, cause.survey),
        (when.source, cause.source),
        (when.what, cause.what),
        (when.language, (snapshot.language or "").lower().partition("-")[0]),
        (when.tone, snapshot.tone),
        (when.lifecycle, snapshot.lifecycle),
        *((wanted, snapshot.attributes.get(name)) for name, wanted in when.attributes.items()),
    )
    return all(not wanted or value in wanted for wanted, value in asked)


def _some_of(when: When, snapshot: Snapshot) -> bool:
    """Ask the conditions that list what her answer must share something with."""
    asked = (
        (when.escalations, snapshot.escalations),
        (when.pains, snapshot.pains),
        (when.strengths, snapshot.strengths),
    )
    return all(not wanted or not set(wanted).isdisjoint(told) for wanted, told in asked)


def _yes_or_no(when: When, snapshot: Snapshot) -> bool:
    asked = (
        (when.has_comment, bool(snapshot.comment)),
        (when.mature, snapshot.maturity is not None and snapshot.maturity.ready),
        (when.callback_requested, snapshot.callback_requested),
        (when.panel_opt_in, snapshot.panel_opt_in),
        (when.recovered, snapshot.recovered_from is not None),
    )
    return all(wanted is None or wanted == told for wanted, told in asked)


def _between(when: When, snapshot: Snapshot) -> bool:
    return (
        _in(snapshot.score, when.score_from, when.score_to)
        and _in(snapshot.response_count, when.answers_from, when.answers_to)
        and _in(snapshot.streak, when.streak_from, None)
        and all(
            _in(
                _number(snapshot.attributes, name),
                when.attributes_from.get(name),
                when.attributes_to.get(name),
            )
            for name in {*when.attributes_from, *when.attributes_to}
        )
    )


def _in(value: _Number | None, least: _Number | None, most: _Number | None) -> bool:
    """Both ends included; what is not known lies in no bounds."""
    if least is None and most is None:
        return True
    if value is None:
        return False
    return (least is None or least <= value) and (most is None or value <= most)


def _number(attributes: Mapping[str, Value], name: str) -> float | None:
    """Read an attribute as a number; a yes is none, though Python counts it as 1."""
    value = attributes.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value)
