"""Which surveys the sources can name.

In: the sources as they were compiled. Out: names, and whether they are all there can be.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from services.ingest.mapper.reads import Reads
from services.ingest.settings import SourceEntry
from services.ingest.tryout.inspection import Inspected

#: What says a survey's name without being about a survey.
_WITHOUT = ("case_", "message_", "action_", "customer_")


@dataclass(frozen=True, slots=True)
class Surveys:
    """Names by source; `closed`: no message can bring another."""

    by_source: dict[str, frozenset[str]]
    closed: bool

    @property
    def names(self) -> frozenset[str]:
        """Every name."""
        return frozenset().union(*self.by_source.values())


def surveys_of(sources: Iterable[Inspected]) -> Surveys:
    """Gather the constants and the lists; a path can bring any name unless a list bounds it."""
    by_source: dict[str, frozenset[str]] = {}
    closed = True
    for one in sources:
        if one.entry is None:
            closed = False
            continue
        if one.entry.surveys:
            by_source[one.name] = frozenset(one.entry.surveys)
            continue
        constants = {_constant(way, one.entry) for way in _ways(one.entry)}
        closed = closed and None not in constants
        by_source[one.name] = frozenset(name for name in constants if name is not None)
    return Surveys(by_source, closed)


def _ways(entry: SourceEntry) -> list[Reads]:
    ways: list[Reads] = [*(entry.kinds or (entry,)), *([entry.columns] if entry.columns else [])]
    return [way for way in ways if not way.becomes.startswith(_WITHOUT)]


def _constant(way: Reads, entry: SourceEntry) -> str | None:
    """Return the one name that a way gives; None: the message says it."""
    spec = way.survey or entry.survey
    if spec is None or spec.constant is None:
        return None
    return str(spec.constant)
