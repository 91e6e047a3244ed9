"""The names that the files of a configuration bring, for the others to be held against.

In: sources and policy as they were read. Out: `Known`, and the words for a name that is not among
them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from services.configuration.surveys import surveys_of
from services.configuration.told import Level
from services.ingest.tryout.inspection import Inspected
from services.segmenter.policy.whole import Policy

Place = tuple[int | str, ...]
#: How grave, where in the file, what to do.
Found = Iterator[tuple[Level, Place, str]]


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


def survey_of(place: Place, name: str, known: Known) -> Found:
    """Yield a survey that no source brings, where all sources say which theirs are."""
    if known.surveys_closed and name not in known.surveys:
        yield "misfit", place, none_such("survey of sources.yaml", name, known.surveys)


def none_such(what: str, name: str, known: frozenset[str]) -> str:
    """Say that a name is none of those known."""
    return f"'{name}' is no {what}: one of {', '.join(sorted(known)) or 'none'}"


def nobody_maps(name: str) -> str:
    """Say that an attribute comes from nowhere that is configured."""
    return (
        f"no source maps an attribute '{name}' and policy.yaml declares none: only a "
        "customer.updated of yours brings it"
    )
