"""Weekly digests: which week is due, to whom it is told, and what is wrong in the policy."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from services.segmenter.digests.weeks import CaseCounts, Sums, last_due, tell
from services.segmenter.policy.digests import OwnerDigest
from services.segmenter.policy.whole import Policy
from services.segmenter.sweep.portrait import rules_of
from shared.events.decisions import OwnerWeekCounted
from shared.identifiers import Rules
from tests.builders.facts import shipped_policy
from tests.builders.figures import policy_with

PARIS = "Europe/Paris"
MONDAY = "2026-03-16T07:00"


def digest(**changes: Any) -> OwnerDigest:
    """A digest of stores."""
    return OwnerDigest.model_validate({"name": "stores", "owner": "store", **changes})


def at(text: str) -> datetime:
    """A moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("changes", "zone", "now", "start", "end", "due"),
    [
        pytest.param(
            *({}, PARIS, "2026-03-16T07:00"),
            *("2026-03-08T23:00", "2026-03-15T23:00", "2026-03-16T07:00"),
            id="on Monday at eight",
        ),
        pytest.param(
            *({}, PARIS, "2026-03-16T06:59"),
            *("2026-03-01T23:00", "2026-03-08T23:00", "2026-03-09T07:00"),
            id="a minute before, it is still the week before",
        ),
        pytest.param(
            *({}, PARIS, "2026-03-22T22:59"),
            *("2026-03-08T23:00", "2026-03-15T23:00", "2026-03-16T07:00"),
            id="late on Sunday",
        ),
        pytest.param(
            *({"weekday": "friday", "at": "17:30"}, PARIS, "2026-03-20T16:30"),
            *("2026-03-08T23:00", "2026-03-15T23:00", "2026-03-20T16:30"),
            id="on Friday, of the week that is over",
        ),
        pytest.param(
            *({"weekday": "friday"}, PARIS, "2026-03-19T12:00"),
            *("2026-03-01T23:00", "2026-03-08T23:00", "2026-03-13T07:00"),
            id="before that Friday",
        ),
        pytest.param(
            *({}, PARIS, "2026-03-30T06:00"),
            *("2026-03-22T23:00", "2026-03-29T22:00", "2026-03-30T06:00"),
            id="a week of 167 hours, clocks forward",
        ),
        pytest.param(
            *({}, PARIS, "2026-10-26T07:00"),
            *("2026-10-18T22:00", "2026-10-25T23:00", "2026-10-26T07:00"),
            id="a week of 169 hours, clocks back",
        ),
        pytest.param(
            *({}, "America/Martinique", "2026-03-16T12:00"),
            *("2026-03-09T04:00", "2026-03-16T04:00", "2026-03-16T12:00"),
            id="where it is still night in Paris's morning",
        ),
        pytest.param(
            *({}, "Pacific/Noumea", "2026-03-15T21:00"),
            *("2026-03-08T13:00", "2026-03-15T13:00", "2026-03-15T21:00"),
            id="where Monday has begun on our Sunday",
        ),
    ],
)
def test_the_newest_week_that_is_due_is_told(
    changes: dict[str, Any], zone: str, now: str, start: str, end: str, due: str
) -> None:
    """A week is from Monday to Sunday by the owner's clock, whatever the clock does in it."""
    week = last_due(digest(**changes), zone, at(now))

    assert (week.period.start, week.period.end) == (at(start), at(end))
    assert week.due_at == at(due)
    assert week.before.end == week.period.start


def told(sums: Sums, **changes: Any) -> dict[str | None, OwnerWeekCounted]:
    """What owners are told, by owner."""
    chosen, policy = digest(**changes), shipped_policy().value
    week = last_due(chosen, chosen.zone or PARIS, at(MONDAY))
    events = list(tell(chosen, week, sums, policy, as_of=at(MONDAY), now=at(MONDAY)))
    assert len({event.id for event in events}) == len(events)
    data = [event.data for event in events if isinstance(event.data, OwnerWeekCounted)]
    return {one.owner: one for one in data}


def test_who_has_nothing_is_told_nothing() -> None:
    """No answer and no case is no news; an open case alone is some."""
    sums = Sums(
        scores={"Lyon": {10: 1}, None: {0: 9}},
        before={"Nice": {10: 40}},
        cases={"Caen": CaseCounts(open=2), "Pau": CaseCounts()},
    )

    assert {owner: (one.answers, one.cases_open) for owner, one in told(sums).items()} == {
        "Lyon": (1, 0),
        "Caen": (0, 2),
    }


def test_without_owners_there_is_one_digest_of_all() -> None:
    """The head of customer care reads everybody's week."""
    (one,) = told(Sums(scores={None: {0: 1, 10: 2}}, before={}), owner=None).values()

    assert (one.owner, one.attribute, one.detractors, one.promoters) == (None, None, 1, 2)
    assert (one.nps, one.too_few, one.nps_before) == (33.3, True, None)


def test_owners_of_another_zone_wait_for_their_own_monday() -> None:
    """Their week is another one; names are compared without their case."""
    sums = Sums(scores={"Lyon": {10: 1}, "Fort-de-France": {10: 1}}, before={})

    assert set(told(sums, zones={"fort-de-france": "America/Martinique"})) == {"Lyon"}


def test_a_change_is_called_real_at_a_level_for_all_owners_together() -> None:
    """What one comparison would call real is chance among a thousand stores."""
    scores, before = {9: 25, 0: 25}, {9: 39, 0: 11}
    many: dict[str | None, dict[int, int]] = {f"store {n}": scores for n in range(1000)}
    alone = told(Sums(scores={"Lyon": scores}, before={"Lyon": before}))
    among = told(Sums(scores={"Lyon": scores, **many}, before={"Lyon": before, **many}))

    assert (alone["Lyon"].changed, among["Lyon"].changed) == (True, False)


def test_a_week_has_one_name_however_it_is_counted() -> None:
    """Counted later or by another zone's clock, the week of an owner stays the same event."""
    policy = shipped_policy().value
    chosen, sums = digest(), Sums(scores={"Lyon": {10: 1}}, before={})
    names = set()
    for hours in (0, 30):
        now = at(MONDAY) + timedelta(hours=hours)
        week = last_due(chosen, PARIS, now)
        names |= {e.id for e in tell(chosen, week, sums, policy, as_of=now, now=now)}

    assert len(names) == 1


@pytest.mark.parametrize(
    ("changes", "fix"),
    [
        pytest.param({"at": 600}, "in quotes", id="an hour without quotes"),
        pytest.param({"zone": "Mars/Phobos"}, "unknown time zone", id="no such zone"),
        pytest.param({"zones": {"Lyon": "Lyon"}}, "unknown time zone", id="no such zone of one"),
        pytest.param({"weekday": "lundi"}, "monday", id="no such day"),
        pytest.param({"comments": 21}, "less than or equal to 20", id="a wall of comments"),
    ],
)
def test_a_mistake_in_a_digest_is_refused_with_its_fix(changes: dict[str, Any], fix: str) -> None:
    """Not at the first Monday."""
    with pytest.raises(ValidationError, match=fix):
        digest(**changes)


def test_a_name_is_given_once() -> None:
    """It names weeks, and the way they go."""
    with pytest.raises(ValidationError, match="digest stores is given twice"):
        policy_with(digests=[{"name": "stores"}, {"name": "stores"}])


def test_everybody_is_read_anew_only_where_a_digest_asks_for_reasons() -> None:
    """Without one, other themes leave what the figures are read from as it is."""

    def read_by(policy: Policy) -> str:
        return rules_of(policy, Rules(region="FR"))

    shipped, weekly = shipped_policy().value, [{"name": "weekly"}]
    assert read_by(shipped) == read_by(policy_with(themes=[]))
    assert read_by(shipped) != read_by(policy_with(digests=weekly))
    assert read_by(policy_with(digests=weekly)) != read_by(policy_with(digests=weekly, themes=[]))
