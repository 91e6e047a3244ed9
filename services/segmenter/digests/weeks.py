"""Which week is to be told now, and what is said of it. Pure.

In: a digest of the policy, a zone, the time; sums by owner. Out: the last week that is due, the
events that tell it.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, get_args
from zoneinfo import ZoneInfo

from services.segmenter.figures import nps
from services.segmenter.figures.difference import difference, level_for
from services.segmenter.figures.distribution import ByScore, counts_of
from services.segmenter.figures.question import Period
from services.segmenter.policy.digests import OwnerDigest, Weekday
from services.segmenter.policy.whole import Policy
from shared.events import ids
from shared.events.decisions import OwnerWeekCounted, WeekComment, WeekTheme
from shared.events.envelope import Event

_DAYS: Final[tuple[Weekday, ...]] = get_args(Weekday)
_WEEK: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Week:
    """A week from Monday to Sunday by the clocks of one zone, and when it is due to be told."""

    monday: date
    zone: str
    due_at: datetime

    @property
    def period(self) -> Period:
        """Its moments."""
        return Period(_moment(self.monday, self.zone), _moment(self.monday + _WEEK, self.zone))

    @property
    def before(self) -> Period:
        """The moments of the week before."""
        return Period(_moment(self.monday - _WEEK, self.zone), _moment(self.monday, self.zone))


@dataclass(frozen=True, slots=True)
class CaseCounts:
    """Cases of one owner: opened and resolved in the week, open now."""

    opened: int = 0
    resolved: int = 0
    open: int = 0


@dataclass(frozen=True, slots=True)
class Sums:
    """What was counted, by owner (None: all together, or nobody's)."""

    scores: Mapping[str | None, ByScore]
    before: Mapping[str | None, ByScore]
    themes: Mapping[str | None, Sequence[WeekTheme]] = field(default_factory=dict)
    cases: Mapping[str | None, CaseCounts] = field(default_factory=dict)
    commented: Mapping[str | None, int] = field(default_factory=dict)
    comments: Mapping[str | None, Sequence[WeekComment]] = field(default_factory=dict)


def last_due(digest: OwnerDigest, zone: str, now: datetime) -> Week:
    """Find the newest week that is over and due; of those before it nothing is told any more."""
    today = now.astimezone(ZoneInfo(zone)).date()
    monday = today - timedelta(days=today.weekday()) - _WEEK
    found = _week(digest, zone, monday)
    return found if found.due_at <= now else _week(digest, zone, monday - _WEEK)


def tell(
    digest: OwnerDigest, week: Week, sums: Sums, policy: Policy, *, as_of: datetime, now: datetime
) -> Iterator[Event]:
    """Write what each owner of the week's zone is told, in the order of their names.

    To whom nothing happened (no answer, no case opened, resolved or open) nothing is told.
    """
    owners = sorted(_owners(digest, sums), key=lambda owner: owner or "")
    minimum = policy.statistics.minimum_n
    counted = {one: counts_of(sums.scores.get(one, {}), policy.bands) for one in owners}
    before = {one: counts_of(sums.before.get(one, {}), policy.bands) for one in owners}
    # The more owners are compared, the surer each change must be: else some change every week.
    level = level_for(sum(min(counted[o].n, before[o].n) >= minimum for o in owners))
    for owner in owners:
        if digest.clock_of(owner, policy.zones.default) != week.zone:
            continue
        cases = sums.cases.get(owner, CaseCounts())
        if not counted[owner].n and cases == CaseCounts():
            continue
        apart = difference(counted[owner], before[owner], minimum_n=minimum, level=level)
        interval = nps.interval(counted[owner])
        data = OwnerWeekCounted(
            digest=digest.name,
            attribute=digest.owner,
            owner=owner,
            zone=week.zone,
            start=week.period.start,
            end=week.period.end,
            due_at=week.due_at,
            as_of=as_of,
            detractors=counted[owner].detractors,
            passives=counted[owner].passives,
            promoters=counted[owner].promoters,
            nps=_shown(nps.score(counted[owner])),
            low=_shown(interval.low if interval else None),
            high=_shown(interval.high if interval else None),
            too_few=nps.too_few(counted[owner], minimum),
            answers_before=before[owner].n,
            nps_before=_shown(nps.score(before[owner])),
            changed=apart is not None and apart.real,
            themes=tuple(sums.themes.get(owner, ())),
            cases_opened=cases.opened,
            cases_resolved=cases.resolved,
            cases_open=cases.open,
            commented=sums.commented.get(owner, 0),
            comments=tuple(sums.comments.get(owner, ())),
        )
        event_id = ids.owner_week(digest.name, owner, week.monday)
        yield Event(id=event_id, source="nps/segmenter", time=now, data=data)


def by_owner(rows: Sequence[tuple[str | None, WeekTheme]]) -> dict[str | None, list[WeekTheme]]:
    """Gather themes by owner, the most frequent first."""
    found = defaultdict(list)
    for owner, theme in sorted(rows, key=lambda row: (-row[1].answers, row[1].theme)):
        found[owner].append(theme)
    return dict(found)


def _owners(digest: OwnerDigest, sums: Sums) -> set[str | None]:
    """Name whoever has an answer or a case; customers of nobody are nobody's news."""
    found = {*sums.scores, *sums.cases}
    return {one for one in found if (one is None if digest.owner is None else one)}


def _shown(value: float | None) -> float | None:
    """Round as the API does."""
    return None if value is None else round(value, 1)


def _week(digest: OwnerDigest, zone: str, monday: date) -> Week:
    day = monday + _WEEK + timedelta(days=_DAYS.index(digest.weekday))
    return Week(monday, zone, _moment(day, zone, digest.at))


def _moment(day: date, zone: str, at: time = time.min) -> datetime:
    """Return when the clocks of a zone show this; weeks with a change of clocks are not 168 h."""
    return datetime.combine(day, at, ZoneInfo(zone)).astimezone(UTC)
