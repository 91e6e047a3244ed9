"""A survey tool as a target: what its own rules read of her follows what happened in any tool."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from services.dispatcher.ledger.attributes import attributes_of
from services.segmenter.decide.clocks import NEVER
from shared.events import outcomes
from shared.events.decisions import CustomerDecided
from shared.events.envelope import Event, decode
from tests.builders import platforms
from tests.builders.facts import answered, day, ids_of, opted_out, reported, rulebook
from tests.builders.fakes import Case, carrier_of, formbricks, qualtrics
from tests.builders.platforms import Fake
from tests.builders.segmenter_rows import Memory

JANE = "jane@example.com"
BUDGET = timedelta(seconds=20)


def of_formbricks(fake: Any) -> dict[str, str]:
    """What stands on her contact."""
    found: dict[str, str] = fake.contacts[JANE]
    return found


def of_qualtrics(fake: Any) -> dict[str, str]:
    """What stands on her contact, as embedded data."""
    found: dict[str, str] = fake.contacts["CID_1"]["embeddedData"]
    return found


@pytest.mark.parametrize(
    ("case", "seen"),
    [
        pytest.param(formbricks.CASE, of_formbricks, id="formbricks"),
        pytest.param(qualtrics.CASE, of_qualtrics, id="qualtrics"),
    ],
)
async def test_a_survey_tool_reads_when_she_may_be_asked_and_how_much_she_bears(
    case: Case, seen: Callable[[Fake], dict[str, str]]
) -> None:
    """She answered, a platform wrote to her, she opted out elsewhere: each time it is told."""
    fake, segmenter = case.fake(), Memory(rulebook())
    story: list[tuple[datetime, Event, datetime, str]] = [
        (day(0), answered("r1", 9, email=JANE), day(90), "3"),
        (day(88), reported(outcomes.MessageSent, email=JANE, at=day(88)), day(95), "3"),
        (day(89), opted_out(JANE, at=day(89)), NEVER, "0"),
    ]
    for now, told, next_at, threshold in story:
        ((*_, line),) = segmenter.handle([told], now)
        decided = decode(line.encode()).data
        assert isinstance(decided, CustomerDecided)
        call = platforms.push(
            identifiers=ids_of(JANE),
            version=decided.version,
            attributes=attributes_of(decided, {}),
        )
        verdict = await carrier_of(case, fake).push_profile(call, budget=BUDGET, now=now)
        assert verdict.outcome == "ok"
        contact = seen(fake)
        assert datetime.fromisoformat(contact["npsNextSurvey"]) == next_at
        assert contact["npsFatigue"] == threshold
