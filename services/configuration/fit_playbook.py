"""The playbook against the policy and the sources: what would never act, never be permitted.

In: the files as they were read, and today. Out: conditions that cannot hold, channels that are
closed, calendars that have ended, doors at which nothing is left.
"""

from datetime import date

from services.configuration.known import Found, Known, nobody_maps, none_such, survey_of
from services.configuration.told import Level
from services.dispatcher.hours.calendars import Calendar
from services.dispatcher.playbook.plays import Play
from services.segmenter.policy.whole import Policy


def conditions(place: int, play: Play, policy: Policy, known: Known) -> Found:
    """Yield conditions that never hold, and channels that nothing opens."""
    when, do, at_when = play.when, play.do, ("plays", place, "when")
    for key, themes in (
        ("theme", when.theme),
        ("pains", when.pains),
        ("strengths", when.strengths),
    ):
        for name in sorted(set(themes) - known.themes):
            yield "misfit", (*at_when, key), none_such("theme of policy.yaml", name, known.themes)
    for name in sorted(set(when.escalations) - known.escalations):
        what = none_such("escalation of policy.yaml", name, known.escalations)
        yield "misfit", (*at_when, "escalations"), what
    for name in when.survey:
        yield from survey_of((*at_when, "survey"), name, known)
    for name in sorted(set(when.source) - known.sources):
        what = f"no source of sources.yaml is named '{name}': events told to the API may be"
        yield "warning", (*at_when, "source"), what
    for key, named in (
        ("attributes", when.attributes),
        ("attributes_from", when.attributes_from),
        ("attributes_to", when.attributes_to),
    ):
        for name in sorted(set(named) - known.attributes):
            yield "warning", (*at_when, key, name), nobody_maps(name)
    if do.route is not None and do.route.attribute not in known.attributes:
        at_route = ("plays", place, "do", "route", "attribute")
        yield "warning", at_route, nobody_maps(do.route.attribute)
    for name in sorted(do.variants.keys() - known.themes - {"default"}):
        what = none_such("theme of policy.yaml", name, known.themes)
        yield "misfit", ("plays", place, "do", "variants", name), what
    yield from _channels(place, play, policy)


def _channels(place: int, play: Play, policy: Policy) -> Found:
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


def ended(calendars: tuple[Calendar, ...], today: date) -> Found:
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


def untold(digests: list[str], left: frozenset[str]) -> Found:
    """Yield doors for digests that the policy does not make."""
    for name in sorted(left - set(digests)):
        what = none_such("digest of policy.yaml", name, frozenset(digests))
        yield "misfit", ("digests", name), what


def not_told(told: list[str], doors: frozenset[str]) -> Found:
    """Yield doors for alerts on figures that the policy does not tell."""
    for name in sorted(doors - set(told)):
        what = none_such("alert of policy.yaml with tell: true", name, frozenset(told))
        yield "misfit", ("figure_alerts", name), what
