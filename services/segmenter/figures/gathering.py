"""Gathering what one question needs, statement by statement, on one connection."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from services.segmenter.decide.lifecycle import gone_since
from services.segmenter.figures import caring, counting
from services.segmenter.figures.counting import Tally
from services.segmenter.figures.distribution import ByScore, scores_of
from services.segmenter.figures.found import Found, Loop
from services.segmenter.figures.question import Group, Period, Question
from services.segmenter.policy.whole import Policy


async def gather(
    connection: AsyncConnection, question: Question, policy: Policy, now: datetime
) -> Found:
    """Count what is asked for, in what the sweep has read."""
    await counting.make_room(connection)
    found = await _scores(connection, question, policy, now)
    if "response" in question.show and question.scope.source is None:
        found = await _invited(connection, question, policy, found)
    if "loop" in question.show:
        found = replace(found, loop=await _loop(connection, question, policy, now))
    return found


async def _scores(
    connection: AsyncConnection, question: Question, policy: Policy, now: datetime
) -> Found:
    scope, by, other = question.scope, question.by, question.other
    found = await _overall(connection, question, policy, now)
    if by is not None:
        keep = [other.value] if isinstance(other, Group) else []
        groups, count = await counting.scores(connection, scope, by, keep=keep)
        found = replace(found, groups=groups, group_count=count)
    if isinstance(other, Period):
        before = replace(scope, period=other)
        all_before, _ = await counting.scores(connection, before)
        found = replace(found, other=all_before.get(None, {}))
        if by is not None:
            same = list(found.groups)
            groups, _ = await counting.scores(connection, before, by, keep=same)
            found = replace(found, other_groups=groups)
    return found


async def _overall(
    connection: AsyncConnection, question: Question, policy: Policy, now: datetime
) -> Found:
    """Count the scores; with moves or churn all of them in one go."""
    if not question.show & {"moves", "churn"}:
        overall, _ = await counting.scores(connection, question.scope)
        return Found(overall.get(None, {}))
    tallies = await counting.tallies(connection, question.scope, gone_since(policy, now))
    found = Found(_by_score(tallies))
    if "moves" in question.show:
        found = replace(
            found, moves=[(one.before, one.score, one.n) for one in tallies if one.known]
        )
    if "churn" in question.show:
        people = [one for one in tallies if one.known and one.last]
        churn = [(one.score, one.n, one.n if one.churned else 0) for one in people]
        found = replace(found, churn=churn)
    return found


def _by_score(tallies: Sequence[Tally]) -> ByScore:
    sums: Counter[int] = Counter()
    for one in tallies:
        sums[one.score] += one.n
    return sums


async def _invited(
    connection: AsyncConnection, question: Question, policy: Policy, found: Found
) -> Found:
    scope, by = question.scope, question.by
    window = timedelta(days=policy.statistics.response_days)
    overall = await counting.responses(connection, scope, None, window=window)
    found = replace(found, invited=overall.get(None, (0, 0)))
    if by is None or by.kind == "answer":  # who did not answer has no answer to be grouped by
        return found
    groups = await counting.responses(connection, scope, by, window=window)
    return replace(found, invited_groups=groups)


async def _loop(
    connection: AsyncConnection, question: Question, policy: Policy, now: datetime
) -> Loop:
    scope, days = question.scope, policy.statistics
    detractors = scores_of("detractor", policy.bands)
    contact = timedelta(days=days.contact_days)
    own = days.recovery_days
    recovery = policy.cases.paired if own is None else timedelta(days=own)
    return Loop(
        await caring.contacts(connection, scope, detractors, window=contact),
        await caring.cases(connection, scope),
        await caring.recovery(connection, scope, detractors, window=recovery, now=now),
    )
