"""Maturity: whether a promoter is ready to be an ambassador, with every reason for it. Pure.

In: the profile, what the newest answer complains about, the policy, the time. Out: points by factor
and the gates that refuse her whatever her points; None for who is no promoter. It depends on the
moment that asks, so it is found at each decision and never stored.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta

from services.segmenter.cases.cases import holding, problems
from services.segmenter.decide.clocks import CUSTOMER_SINCE, moment
from services.segmenter.decide.lifecycle import ORDERS
from services.segmenter.policy.maturity import ScoreFactor
from services.segmenter.policy.whole import Policy
from services.segmenter.profile import attributes
from services.segmenter.profile.segments import segment_of
from services.segmenter.profile.state import Profile, Response
from shared.events.decisions import Maturity, MaturityFactor


def maturity(
    profile: Profile,
    policy: Policy,
    now: datetime,
    *,
    pains: Collection[str],
    escalations: Collection[str],
) -> Maturity | None:
    """Judge a promoter at `now`; `pains` and `escalations` are those of her newest answer."""
    scored = profile.scored
    if not scored or segment_of(scored[-1], policy) != "promoter":
        return None
    factors = tuple(_factors(profile, policy, now))
    complains = bool(pains) or bool(escalations)
    gates = tuple(_gates(profile, policy, now, complains=complains))
    points = sum(factor.points for factor in factors)
    ready = not gates and points >= policy.maturity.ready_at
    return Maturity(points=points, ready=ready, gates=gates, factors=factors)


def _gates(profile: Profile, policy: Policy, now: datetime, *, complains: bool) -> Iterator[str]:
    gates = policy.maturity.gates
    if holding(profile, policy):
        yield "open_case"
    since = now - timedelta(days=gates.closed_case_days)
    if any(not case.open and case.at > since for _, case in problems(profile, policy)):
        yield "case_just_closed"
    since = now - timedelta(days=gates.detractor_days)
    recent = (response for response in profile.scored if response.answered_at > since)
    if any(segment_of(response, policy) == "detractor" for response in recent):
        yield "detractor_answer"
    if complains:
        yield "complaint"


def _factors(profile: Profile, policy: Policy, now: datetime) -> Iterator[MaturityFactor]:
    rules, scored = policy.maturity, profile.scored
    yield _score("latest", scored[-1:], rules.latest)
    yield _score("previous", scored[-2:-1], rules.previous)
    yield _answers(scored, policy, now)
    yield _tenure(profile, policy, now)
    orders = attributes.number(profile, policy, ORDERS)
    wanted = f"{rules.orders.count} or more count"
    yield _factor(
        "orders",
        rules.orders.points,
        f"{_shown(orders)} orders; {wanted}" if orders is not None else "orders are not known",
        fits=orders is not None and orders >= rules.orders.count,
    )
    yield _value(profile, policy)


def _score(name: str, found: Sequence[Response], rule: ScoreFactor) -> MaturityFactor:
    score = found[0].score if found else None
    if score is None:
        return _factor(name, rule.points, f"there is no {name} answer", fits=False)
    reason = f"the {name} answer is {score}; {rule.score} or more counts"
    return _factor(name, rule.points, reason, fits=score >= rule.score)


def _answers(scored: Sequence[Response], policy: Policy, now: datetime) -> MaturityFactor:
    rule = policy.maturity.answers
    since = now - timedelta(days=rule.days)
    count = sum(response.answered_at > since for response in scored)
    reason = f"{count} answers in {rule.days} days; {rule.count} or more count"
    return _factor("answers", rule.points, reason, fits=count >= rule.count)


def _tenure(profile: Profile, policy: Policy, now: datetime) -> MaturityFactor:
    rule = policy.maturity.tenure
    since = moment(attributes.believed(profile, policy, CUSTOMER_SINCE))
    if since is None:
        return _factor("tenure", rule.points, "since when is not known", fits=False)
    days = max(0, (now - since).days)
    reason = f"a customer for {days} days; {rule.days} or more count"
    return _factor("tenure", rule.points, reason, fits=days >= rule.days)


def _value(profile: Profile, policy: Policy) -> MaturityFactor:
    """Compare her value with a number that the operator gives, not with everybody's median.

    A median would change with each order of somebody else: one customer's decision would depend on
    all others, no replay would repeat it, and nobody could say from which value on it counts.
    """
    rule = policy.maturity.value
    least = rule.upper_half_from
    if least is None:
        reason = "the policy does not say where the upper half begins"
        return _factor("value", rule.points, reason, fits=False)
    value = attributes.number(profile, policy, rule.attribute)
    if value is None:
        return _factor("value", rule.points, f"{rule.attribute} is not known", fits=False)
    reason = f"{rule.attribute} is {_shown(value)}; {_shown(least)} or more counts"
    return _factor("value", rule.points, reason, fits=value >= least)


def _factor(name: str, points: int, reason: str, *, fits: bool) -> MaturityFactor:
    return MaturityFactor(name=name, points=points if fits else 0, reason=reason)


def _shown(number: int | float | None) -> str:
    return f"{number:g}" if number is not None else "unknown"
