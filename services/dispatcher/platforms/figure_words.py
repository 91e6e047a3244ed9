"""A figure that changed, or is quiet again, in words for colleagues in a chat or helpdesk. Pure.

In: the change, how its readers like to read. Out: title and text. The title holds our words, the
operator's and numbers; the name of a group, which may be anything, is in the text.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from urllib.parse import urlencode

from services.dispatcher.hours.hours import zone_of
from services.dispatcher.platforms.words import Voice, plain
from shared.events.decisions import FigureChanged, FigureScore


def figure_change(figure: FigureChanged, voice: Voice) -> tuple[str, str]:
    """Tell a change: what the score was and is, how sure that is, and where to read on."""
    terms = voice.wording.terms
    told = "figure_quiet" if figure.state == "quiet" else f"figure_{figure.direction}"
    title = terms[told].format(
        before=_points(figure.before.nps), after=_points(figure.after.nps), alert=figure.alert
    )
    return title, "\n".join(line for line in _lines(figure, voice) if line)


def _lines(figure: FigureChanged, voice: Voice) -> Iterator[str | None]:
    wording = voice.wording
    if figure.by and figure.value is not None:
        name = figure.by.partition(":")[2]
        yield wording.line(plain(name.replace("_", " ")), plain(figure.value))
    yield wording.line("survey", plain(figure.survey))
    yield wording.line("source", plain(figure.source))
    if figure.state == "quiet":
        yield wording.line("figure_why", wording.terms[f"figure_{figure.reason}"])
    yield wording.line("figure_after", _period(figure.after, figure.zone, voice))
    yield wording.line("figure_before", _period(figure.before, figure.zone, voice))
    if figure.points is not None and figure.low is not None and figure.high is not None:
        interval = wording.terms["week_interval"].format(
            low=f"{figure.low:g}", high=f"{figure.high:g}"
        )
        said = wording.terms["figure_points"].format(
            points=f"{figure.points:+g}", interval=interval
        )
        yield wording.line("figure_apart", said)
    if voice.figures_link is not None:
        yield wording.line("figure_page", f"{voice.figures_link}?{urlencode(_asked(figure))}")


def _asked(figure: FigureChanged) -> dict[str, str]:
    """Write the question of `GET /v1/nps` that shows both periods; it names no group."""
    after, before = (_days(one, figure.zone) for one in (figure.after, figure.before))
    asked = {"survey": figure.survey, "source": figure.source, "by": figure.by}
    return {
        **{name: value for name, value in asked.items() if value is not None},
        "from": after[0].isoformat(),
        "to": after[1].isoformat(),
        "compare": f"{before[0].isoformat()}..{before[1].isoformat()}",
    }


def _period(score: FigureScore, zone: str, voice: Voice) -> str:
    wording = voice.wording
    first, last = (f"{day.day} {wording.months[day.month - 1]}" for day in _days(score, zone))
    said = wording.terms["week_silent"]
    if score.nps is not None:
        said = wording.terms["week_score"].format(nps=_points(score.nps), answers=score.answers)
    return wording.terms["figure_period"].format(first=first, last=last, score=said)


def _days(score: FigureScore, zone: str) -> tuple[date, date]:
    """Name a period by its first and last day."""
    here = zone_of(zone)
    last = score.end.astimezone(here).date() - timedelta(days=1)
    return score.start.astimezone(here).date(), last


def _points(nps: float | None) -> str:
    return "?" if nps is None else f"{nps:g}"
