"""The policy against the sources and the playbook: surveys, sources, owners, digests.

In: the files as they were read. Out: what would be counted of nobody, or told to nobody.
"""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from services.configuration.known import Found, Known, nobody_maps, none_such, survey_of
from services.configuration.surveys import surveys_of
from services.ingest.tryout.inspection import Inspected
from services.segmenter.policy.alerts import FigureAlert
from services.segmenter.policy.digests import OwnerDigest
from services.segmenter.policy.whole import Policy


def clockless(sources: list[Inspected], policy: Policy) -> Found:
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


def watched(policy: Policy, known: Known) -> Found:
    """Yield figures of a survey, a source, a group or an owner that is not there."""
    parts: list[tuple[str, Sequence[FigureAlert | OwnerDigest]]] = [
        ("alerts", policy.alerts),
        ("digests", policy.digests),
    ]
    for part, several in parts:
        for place, one in enumerate(several):
            if one.source is not None and one.source not in known.sources:
                what = none_such("source", one.source, known.sources)
                yield "misfit", (part, place, "source"), what
            if one.survey is not None:
                yield from survey_of((part, place, "survey"), one.survey, known)
    for place, objective in enumerate(policy.objectives):
        if objective.survey is not None:
            yield from survey_of(("objectives", place, "survey"), objective.survey, known)
    for place, alert in enumerate(policy.alerts):
        kind, _, name = (alert.by or "").partition(":")
        if kind == "attribute" and name not in known.attributes:
            yield "warning", ("alerts", place, "by"), nobody_maps(name)
    for place, digest in enumerate(policy.digests):
        if digest.owner is not None and digest.owner not in known.attributes:
            yield "warning", ("digests", place, "owner"), nobody_maps(digest.owner)


def left_nowhere(digests: list[str], left: frozenset[str]) -> Found:
    """Yield digests of the policy that the playbook leads nowhere."""
    for place, name in enumerate(digests):
        if name not in left:
            what = f"digest {name} is left nowhere: add it to digests of playbook.yaml"
            yield "misfit", ("digests", place, "name"), what


def told_nobody(policy: Policy, doors: frozenset[str]) -> Found:
    """Yield alerts on figures that are told, but that the playbook leads nowhere."""
    for place, alert in enumerate(policy.alerts):
        if alert.tell and alert.name not in doors:
            what = f"alert {alert.name} is told nobody: add it to figure_alerts of playbook.yaml"
            yield "misfit", ("alerts", place, "tell"), what
