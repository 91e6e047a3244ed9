"""What no single service can see: sources, policy, playbook and targets side by side.

In: the files as they were read, and today. Out: what is told of them: a name in one that the other
does not have, so that a rule would never hold, an attribute never arrive, a survey have no clock.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from typing import Any

from services.configuration.surveys import surveys_of
from services.configuration.told import Level, Told, at
from services.dispatcher.brakes.rates import Rate
from services.dispatcher.hours.calendars import Calendar
from services.dispatcher.ledger.attributes import CANONICAL, OWN
from services.dispatcher.playbook.plays import Play, Playbook
from services.dispatcher.targets.offline import ReadTarget, ReadTargets
from services.ingest.settings import SourcesFile
from services.ingest.tryout.inspection import Inspected
from services.segmenter.policy.whole import Policy
from shared.settings import Loaded

_Place = tuple[int | str, ...]
_Found = Iterator[tuple[Level, _Place, str]]


@dataclass(frozen=True, slots=True)
class Known:
    """The names that the other files bring."""

    sources: frozenset[str]
    surveys: frozenset[str]
    surveys_closed: bool
    attributes: frozenset[str]
    themes: frozenset[str]
    escalations: frozenset[str]


def known_of(sources: list[Inspected], policy: Policy) -> Known:
    """Gather them."""
    surveys = surveys_of(sources)
    entries = [one.entry for one in sources if one.entry is not None]
    mapped = {
        name
        for entry in entries
        for way in (entry, *entry.kinds, *([entry.columns] if entry.columns else []))
        for name, spec in way.attributes.items()
        if spec is not None
    }
    declared = {*policy.attributes, *(n for one in policy.attributes.values() for n in one.also)}
    return Known(
        sources=frozenset(one.name for one in sources),
        surveys=surveys.names,
        surveys_closed=surveys.closed,
        attributes=frozenset(mapped | declared),
        themes=frozenset(theme.name for theme in policy.themes),
        escalations=frozenset(topic.name for topic in policy.escalations.topics),
    )


def misfits(
    sources: tuple[Loaded[SourcesFile], list[Inspected]],
    policy: Loaded[Policy],
    playbook: Loaded[Playbook],
    targets: ReadTargets,
    today: date,
) -> list[Told]:
    """Hold all four files together."""
    known = known_of(sources[1], policy.value)
    plays = enumerate(playbook.value.plays)
    own = [found for place, play in plays for found in _play(place, play, policy.value, known)]
    parts: list[tuple[Loaded[Any], Iterable[tuple[Level, _Place, str]]]] = [
        (sources[0], _clockless(sources[1], policy.value)),
        (policy, _policy(policy.value, known)),
        (playbook, [*own, *_past(playbook.value.calendars, today)]),
        (targets.loaded, _targets(targets.targets, known)),
    ]
    return [
        at(level, loaded, place, what) for loaded, found in parts for level, place, what in found
    ]


def _clockless(sources: list[Inspected], policy: Policy) -> _Found:
    """Yield surveys that belong to no family, so that only the clocks of all surveys hold them."""
    families = policy.clocks.families
    for name, surveys in surveys_of(sources).by_source.items():
        for survey in sorted(surveys):
            fit = any(fnmatchcase(survey, p) for family in families for p in family.surveys)
            if families and not fit:
                yield (
                    "warning",
                    ("sources", name, "survey"),
                    f"survey '{survey}' is of no family: add it to clocks.families of policy.yaml",
                )


def _policy(policy: Policy, known: Known) -> _Found:
    """Yield figures that are watched of a survey, a source or a group that is not there."""
    for place, alert in enumerate(policy.alerts):
        if alert.source is not None and alert.source not in known.sources:
            yield (
                "misfit",
                ("alerts", place, "source"),
                _none("source", alert.source, known.sources),
            )
        if alert.survey is not None:
            yield from _survey(("alerts", place, "survey"), alert.survey, known)
        kind, _, name = (alert.by or "").partition(":")
        if kind == "attribute" and name not in known.attributes:
            yield "warning", ("alerts", place, "by"), _nobody_maps(name)
    for place, objective in enumerate(policy.objectives):
        if objective.survey is not None:
            yield from _survey(("objectives", place, "survey"), objective.survey, known)


def _play(place: int, play: Play, policy: Policy, known: Known) -> _Found:
    """Yield conditions that never hold, and channels that nothing opens."""
    when, do, at_when = play.when, play.do, ("plays", place, "when")
    for key, themes in (
        ("theme", when.theme),
        ("pains", when.pains),
        ("strengths", when.strengths),
    ):
        for name in sorted(set(themes) - known.themes):
            yield "misfit", (*at_when, key), _none("theme of policy.yaml", name, known.themes)
    for name in sorted(set(when.escalations) - known.escalations):
        what = _none("escalation of policy.yaml", name, known.escalations)
        yield "misfit", (*at_when, "escalations"), what
    for name in when.survey:
        yield from _survey((*at_when, "survey"), name, known)
    for name in sorted(set(when.source) - known.sources):
        what = f"no source of sources.yaml is named '{name}': events told to the API may be"
        yield "warning", (*at_when, "source"), what
    for key, named in (
        ("attributes", when.attributes),
        ("attributes_from", when.attributes_from),
        ("attributes_to", when.attributes_to),
    ):
        for name in sorted(set(named) - known.attributes):
            yield "warning", (*at_when, key, name), _nobody_maps(name)
    if do.route is not None and do.route.attribute not in known.attributes:
        at_route = ("plays", place, "do", "route", "attribute")
        yield "warning", at_route, _nobody_maps(do.route.attribute)
    for name in sorted(do.variants.keys() - known.themes - {"default"}):
        what = _none("theme of policy.yaml", name, known.themes)
        yield "misfit", ("plays", place, "do", "variants", name), what
    yield from _channels(place, play, policy)


def _channels(place: int, play: Play, policy: Policy) -> _Found:
    """Yield the channels of a play that its class of contact is never permitted."""
    opened = policy.permits[play.do.contact_class].channels
    closed = [channel for channel in play.do.channels if channel not in opened]
    if not closed:
        return
    what = (
        f"play {play.name}: permits of policy.yaml open {', '.join(opened)} for class "
        f"{play.do.contact_class}, and never {', '.join(closed)}: remove it, or open it there"
    )
    level: Level = "misfit" if len(closed) == len(play.do.channels) else "warning"
    yield level, ("plays", place, "do", "channels"), what


def _past(calendars: tuple[Calendar, ...], today: date) -> _Found:
    """Yield packs past their end after which nothing holds for the same messages."""
    for place, pack in enumerate(calendars):
        end = pack.valid_until
        if end is None or end >= today:
            continue
        if not any(_follows(other, pack, today) for other in calendars):
            what = (
                f"calendar {pack.name} ended on {end} and none follows it: what it forbade is "
                "allowed now; add a pack for today's rule, or remove this one"
            )
            yield "misfit", ("calendars", place, "valid_until"), what


def _follows(other: Calendar, pack: Calendar, today: date) -> bool:
    """Tell whether a pack holds today, or will, where another did: one for all is another rule."""
    if other is pack or (other.valid_until is not None and other.valid_until < today):
        return False
    pairs = (
        (other.channels, pack.channels),
        (other.countries, pack.countries),
        (other.classes, pack.classes),
    )
    return all(not old or set(new) & set(old) for new, old in pairs)


def _targets(targets: Mapping[str, ReadTarget], known: Known) -> _Found:
    """Yield attributes that no decision has, and rates above what the platform is known to take."""
    for name, target in targets.items():
        settings = target.settings
        for part in ("attributes", "message"):
            for ours in getattr(settings, part):
                place: _Place = ("targets", name, part, ours)
                if ours.startswith(OWN):
                    own = ours.removeprefix(OWN)
                    if own not in known.attributes:
                        yield "warning", place, _nobody_maps(own)
                elif ours not in CANONICAL:
                    own = f"; one of your own is written {OWN}{ours}"
                    yield "misfit", place, _none("attribute", ours, CANONICAL) + own
        for place_of, window in enumerate(settings.windows or ()):
            for granted in target.preset.limits.windows:
                if _faster(window, granted):
                    what = (
                        f"{window.most} in {window.per_s} s where the platform is known to grant "
                        f"{granted.most}: be sure that this account has more"
                    )
                    yield "warning", ("targets", name, "windows", place_of), what


def _faster(asked: Rate, granted: Rate) -> bool:
    """Tell whether a rate is above another for the same calls in the same time."""
    same = "all" in (granted.of, asked.of) or granted.of == asked.of
    return same and granted.per_s == asked.per_s and asked.most > granted.most


def _survey(place: _Place, name: str, known: Known) -> _Found:
    if known.surveys_closed and name not in known.surveys:
        yield "misfit", place, _none("survey of sources.yaml", name, known.surveys)


def _none(what: str, name: str, known: frozenset[str]) -> str:
    return f"'{name}' is no {what}: one of {', '.join(sorted(known)) or 'none'}"


def _nobody_maps(name: str) -> str:
    return (
        f"no source maps an attribute '{name}' and policy.yaml declares none: only a "
        "customer.updated of yours brings it"
    )
