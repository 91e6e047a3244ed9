"""Digests and heartbeats in words, for colleagues in a chat or a helpdesk. Pure.

In: what was gathered or counted. Out: title and text, in the readers' language and by their clock.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from services.dispatcher.platforms.words import Voice, plain
from shared.events.vocabulary import Value

#: As many as a chat shows without unfolding; the rest is counted, and all are in the ledger.
MOST_LINES: Final = 20


@dataclass(frozen=True, slots=True)
class Gathered:
    """One alert of a digest: about whom, and what it would have said."""

    customer_id: UUID
    said: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Pulse:
    """What a heartbeat tells of the last `every`. `trouble` says why state is out of date."""

    every: timedelta
    alerts: int
    answers: int
    waiting: int
    trouble: str | None


def digest(
    action: str, begun: datetime, alerts: Sequence[Gathered], voice: Voice
) -> tuple[str, str]:
    """Tell many alerts at once: counts by segment and theme, then each, the worst first."""
    wording = voice.wording
    hours = (voice.clock(begun), voice.clock(begun + timedelta(hours=1)))
    title = wording.terms["digest"].format(
        n=len(alerts), action=wording.of(action), begun=hours[0], end=hours[1]
    )
    lines = [
        wording.line(label, _counts(alerts, name, voice))
        for label, name in (("segments", "nps_segment"), ("themes", "nps_theme"))
    ]
    worst = sorted(alerts, key=_worst)
    lines += [_line(alert, voice) for alert in worst[:MOST_LINES]]
    if len(worst) > MOST_LINES:
        lines.append(wording.terms["more"].format(n=len(worst) - MOST_LINES))
    return title, "\n".join(line for line in lines if line)


def heartbeat(pulse: Pulse, voice: Voice) -> tuple[str, str]:
    """Tell that all is running, or what is not; that nobody was alarmed is news, too."""
    wording = voice.wording
    hours = f"{pulse.every / timedelta(hours=1):g}"
    counts = wording.terms["counts"].format(
        alerts=pulse.alerts or wording.terms["no"], answers=pulse.answers, hours=hours
    )
    title = wording.terms["trouble" if pulse.trouble else "running"]
    lines = [counts, wording.line("state", pulse.trouble)]
    if pulse.waiting:
        lines.append(wording.terms["waiting"].format(n=pulse.waiting))
    return title, "\n".join(line for line in lines if line)


def _worst(alert: Gathered) -> tuple[float, str]:
    score = alert.said.get("nps_score")
    return (score if isinstance(score, int | float) else 11, str(alert.customer_id))


def _counts(alerts: Sequence[Gathered], name: str, voice: Voice) -> str | None:
    """Count what may be said: the most frequent first; None where this target says none of it."""
    found = Counter(
        plain(voice.wording.of(alert.said[name])) for alert in alerts if alert.said.get(name)
    )
    return ", ".join(f"{term} {n}" for term, n in sorted(found.items(), key=_often)) or None


def _often(counted: tuple[str, int]) -> tuple[int, str]:
    return -counted[1], counted[0]


def _line(alert: Gathered, voice: Voice) -> str:
    score = alert.said.get("nps_score")
    parts = [f"{score}/10" if score is not None else ""]
    parts += [voice.wording.of(alert.said.get(name)) for name in ("nps_segment", "nps_theme")]
    told = ", ".join(part for part in parts if part)
    where = voice.link(alert.customer_id) or str(alert.customer_id)
    return f"{told}{voice.wording.colon}{where}" if told else where
