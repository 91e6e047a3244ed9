"""Which rows of timers are written, so that each moment rings once."""

from datetime import datetime, timedelta

import pytest

from services.segmenter.decide.moments import LATEST, calm, changed
from services.segmenter.store.rows import Timer
from shared.events import ids
from shared.events.feedback import TimerKind
from tests.builders.facts import NOON, day

SHE = ids.name_id("she")
LATE = NOON - LATEST


def row(at: datetime, *, arm: int = 1, open_: bool = True, kind: TimerKind = "lapse") -> Timer:
    return Timer(kind, SHE, "", arm, at, open=open_)


@pytest.mark.parametrize(
    ("known", "kind", "at", "owed", "written"),
    [
        pytest.param(None, "lapse", day(1), False, row(day(1)), id="set for the first time"),
        pytest.param(None, "lapse", day(-1), False, None, id="long over when it became known"),
        pytest.param(None, "lapse", day(-1), True, row(day(-1)), id="owed by who was merged"),
        pytest.param(
            None, "settle", day(-1), False, row(day(-1), kind="settle"), id="a window rings late"
        ),
        pytest.param(None, "settle", LATE, False, None, id="not for ever"),
        pytest.param(row(day(1)), "lapse", day(1), False, None, id="set already"),
        pytest.param(row(day(-1)), "lapse", day(-1), False, None, id="due and not told yet"),
        pytest.param(
            row(day(-1), open_=False), "lapse", day(-1), False, None, id="told: not once more"
        ),
        pytest.param(
            row(day(1), open_=False), "lapse", day(1), False, row(day(1), arm=2), id="set anew"
        ),
        pytest.param(
            row(day(-1), open_=False), "lapse", day(-1), True, row(day(-1), arm=2), id="owed anew"
        ),
        pytest.param(row(day(1)), "lapse", day(2), False, row(day(2), arm=2), id="moved"),
        pytest.param(
            row(day(1)), "lapse", day(-2), False, row(day(1), open_=False), id="moved into the past"
        ),
        pytest.param(
            row(day(1), open_=False), "lapse", day(-2), False, None, id="closed, and in the past"
        ),
        pytest.param(row(day(1)), "lapse", None, False, row(day(1), open_=False), id="no more"),
        pytest.param(row(day(1), open_=False), "lapse", None, False, None, id="no more, closed"),
    ],
)
def test_a_moment_rings_once(
    known: Timer | None, kind: TimerKind, at: datetime | None, owed: bool, written: Timer | None
) -> None:
    """What was told stays told; what moved is a new arm; what became known too late is no news."""
    found = {} if at is None else {(kind, ""): at}
    debts = {(kind, "", at)} if owed and at is not None else set()
    rows = list(changed(SHE, [known] if known else [], found, NOON, debts))
    assert rows == ([] if written is None else [written])
    # Written and looked at again, nothing more is.
    last = written or known
    assert list(changed(SHE, [last] if last else [], found, NOON)) == []


def test_only_another_policy_rings_for_nothing_of_the_past() -> None:
    """What is due at once is told only where it was waited for."""
    behind, ahead = row(NOON, kind="settle"), row(NOON + timedelta(seconds=1))
    closing = row(day(1), open_=False, kind="resurvey")
    assert list(calm([behind, ahead, closing], [], NOON)) == [ahead, closing]
    waited = row(day(2), kind="settle")
    assert list(calm([behind], [waited], NOON)) == [behind]
    assert list(calm([behind], [row(day(2), kind="settle", open_=False)], NOON)) == []
