"""Gathering what one question needs, statement by statement, on one connection."""

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from services.segmenter.figures import counting
from services.segmenter.figures.distribution import scores_of
from services.segmenter.figures.found import Found, Loop
from services.segmenter.figures.question import Period, Question
from services.segmenter.figures.selecting import Tests, tests_of
from services.segmenter.policy.whole import Policy


async def gather(
    connection: AsyncConnection, question: Question, policy: Policy, now: datetime
) -> Found:
    """Count what is asked for."""
    tests = tests_of(policy.test_respondents)
    await counting.make_room(connection)
    found = await _scores(connection, question, tests)
    if "response" in question.show and question.scope.source is None:
        found = await _invited(connection, question, tests, policy, found)
    scope = question.scope
    if "moves" in question.show:
        found = replace(found, moves=await counting.moves(connection, scope, tests))
    if "churn" in question.show:
        gone_since = (now - timedelta(days=policy.lifecycle.sleeping_days)).date()
        churn = await counting.churn(connection, scope, tests, gone_since=gone_since)
        found = replace(found, churn=churn)
    if "loop" in question.show:
        found = replace(found, loop=await _loop(connection, question, tests, policy, now))
    return found


async def _scores(connection: AsyncConnection, question: Question, tests: Tests) -> Found:
    scope, by, other = question.scope, question.by, question.other
    overall, _ = await counting.scores(connection, scope, tests)
    found = Found(overall.get(None, {}))
    if by is not None:
        keep = [other] if isinstance(other, str) else []
        groups, count = await counting.scores(connection, scope, tests, by, keep=keep)
        found = replace(found, groups=groups, group_count=count)
    if isinstance(other, Period):
        before = replace(scope, period=other)
        all_before, _ = await counting.scores(connection, before, tests)
        found = replace(found, other=all_before.get(None, {}))
        if by is not None:
            same = list(found.groups)
            groups, _ = await counting.scores(connection, before, tests, by, keep=same)
            found = replace(found, other_groups=groups)
    return found


async def _invited(
    connection: AsyncConnection, question: Question, tests: Tests, policy: Policy, found: Found
) -> Found:
    scope, by = question.scope, question.by
    window = timedelta(days=policy.statistics.response_days)
    overall = await counting.responses(connection, scope, tests, None, window=window)
    found = replace(found, invited=overall.get(None, (0, 0)))
    if by is None or by.kind == "answer":  # who did not answer has no answer to be grouped by
        return found
    groups = await counting.responses(connection, scope, tests, by, window=window)
    return replace(found, invited_groups=groups)


async def _loop(
    connection: AsyncConnection, question: Question, tests: Tests, policy: Policy, now: datetime
) -> Loop:
    scope, days = question.scope, policy.statistics
    detractors = scores_of("detractor", policy.bands)
    return Loop(
        await counting.contacts(
            connection, scope, tests, detractors, window=timedelta(days=days.contact_days)
        ),
        await counting.cases(connection, scope, tests),
        await counting.recovery(
            connection,
            scope,
            tests,
            detractors,
            window=timedelta(days=days.recovery_days),
            now=now,
        ),
    )
