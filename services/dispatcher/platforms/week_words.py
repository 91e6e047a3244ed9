"""An owner's week in words, for colleagues in a chat or a helpdesk. Pure.

In: the counted week, what of a customer this target may say, how it likes to read. Out: title and
text. A comment is a link to her page, never her words; the title holds our words and numbers only.
"""

from collections.abc import Collection, Iterator
from datetime import date, datetime, timedelta
from typing import Final

from services.dispatcher.hours.hours import zone_of
from services.dispatcher.platforms.words import Voice, plain
from shared.events.decisions import OwnerWeekCounted, WeekComment, WeekTheme

#: What an owner can act upon in a week; the figures have all.
MOST_THEMES: Final = 6


def owner_week(week: OwnerWeekCounted, allowed: Collection[str], voice: Voice) -> tuple[str, str]:
    """Tell a week: score with its interval, reasons, cases, and comments by link."""
    score = _score(week.nps, week.answers, voice)
    title = f"{_dates(week, voice)}{voice.wording.colon}{score}"
    return title, "\n".join(line for line in _lines(week, allowed, voice) if line)


def _lines(week: OwnerWeekCounted, allowed: Collection[str], voice: Voice) -> Iterator[str | None]:
    wording, terms = voice.wording, voice.wording.terms
    if week.attribute and week.owner is not None:
        yield wording.line(week.attribute.replace("_", " "), plain(week.owner))
    yield _sure(week, voice)
    if week.answers_before:
        before = _score(week.nps_before, week.answers_before, voice)
        changed = f" ({terms['week_changed']})" if week.changed else ""
        yield wording.line("week_before", f"{before}{changed}")
    yield wording.line("segments", _segments(week, voice))
    yield wording.line("themes", ", ".join(_theme(t, voice) for t in week.themes[:MOST_THEMES]))
    cases = terms["week_cases"].format(
        opened=week.cases_opened, resolved=week.cases_resolved, open=week.cases_open
    )
    yield wording.line("cases", cases)
    if week.commented:
        yield wording.line("comments", str(week.commented))
    for comment in week.comments:
        yield _comment(comment, allowed, voice)
    if week.comments and week.commented > len(week.comments):
        yield terms["more"].format(n=week.commented - len(week.comments))


def _score(nps: float | None, answers: int, voice: Voice) -> str:
    terms = voice.wording.terms
    if nps is None:
        return terms["week_silent"]
    return terms["week_score"].format(nps=f"{nps:g}", answers=answers)


def _sure(week: OwnerWeekCounted, voice: Voice) -> str | None:
    """Say where the true score lies, or that it is not to be acted upon."""
    terms = voice.wording.terms
    if week.low is None or week.high is None:
        return None
    said = terms["week_interval"].format(low=f"{week.low:g}", high=f"{week.high:g}")
    few = f" ({terms['week_few']})" if week.too_few else ""
    return voice.wording.line("NPS", f"{week.nps:g}, {said}{few}")


def _segments(week: OwnerWeekCounted, voice: Voice) -> str | None:
    counts = {
        "detractor": week.detractors,
        "passive": week.passives,
        "promoter": week.promoters,
    }
    told = ", ".join(f"{voice.wording.of(name)} {n}" for name, n in counts.items())
    return told if week.answers else None


def _theme(theme: WeekTheme, voice: Voice) -> str:
    wording = voice.wording
    told = f"{plain(wording.of(theme.theme))} {theme.answers}"
    return f"{told} ({wording.of('detractor')} {theme.detractors})" if theme.detractors else told


def _comment(comment: WeekComment, allowed: Collection[str], voice: Voice) -> str:
    parts = [f"{comment.score}/10"] if "nps_score" in allowed else []
    if comment.theme and "nps_theme" in allowed:
        parts.append(plain(voice.wording.of(comment.theme)))
    where = voice.link(comment.customer_id) or str(comment.customer_id)
    return f"{', '.join(parts)}{voice.wording.colon}{where}" if parts else where


def _dates(week: OwnerWeekCounted, voice: Voice) -> str:
    """Name the week by its first and last day, as the owner's calendar has them."""
    zone = zone_of(week.zone)
    last = week.end.astimezone(zone).date() - timedelta(days=1)
    days = (_day(week.start.astimezone(zone), voice), _day(last, voice))
    return voice.wording.terms["week"].format(first=days[0], last=days[1])


def _day(day: date | datetime, voice: Voice) -> str:
    return f"{day.day} {voice.wording.months[day.month - 1]}"
