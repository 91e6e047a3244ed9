"""What a PromQL expression asks for, as far as a test holds it to our metrics.

In: an expression. Out: the metrics it names, with the matchers of each, and the labels it groups
by. Whether it is PromQL at all promtool says.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from services.metrics_page import Metric

_SELECTOR: Final = re.compile(r"\b((?:nps|process|python)[_:][a-z0-9_:]+)(?:\{([^}]*)\})?")
_MATCHER: Final = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
_GROUPING: Final = re.compile(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)")
_SUFFIX: Final = re.compile(r"_(bucket|sum|count)$")
#: What Prometheus itself puts to every series, and to histograms and alerts.
_GIVEN: Final = frozenset({"job", "instance", "le", "alertname", "severity"})


@dataclass(frozen=True)
class Asked:
    """One selector: the metric, and which values it wants of which labels."""

    metric: str
    matchers: tuple[tuple[str, str], ...]


def asked(expr: str) -> list[Asked]:
    """List the selectors of an expression, those of recorded rules (with a colon) left out."""
    return [
        Asked(name, tuple((m[1], m[3]) for m in _MATCHER.finditer(matchers or "")))
        for name, matchers in _SELECTOR.findall(expr)
        if ":" not in name
    ]


def recorded(expr: str) -> set[str]:
    """Name the recorded series that an expression reads."""
    return {name for name, _ in _SELECTOR.findall(expr) if ":" in name}


def grouped_by(expr: str) -> set[str]:
    """Name the labels that an expression groups or joins by."""
    return {label.strip() for labels in _GROUPING.findall(expr) for label in labels.split(",")} - {
        ""
    }


def mistakes(expr: str, metrics: Iterable[Metric]) -> list[str]:
    """Say what of ours an expression names that is not there."""
    known = {one.name: one for one in metrics}
    wrong: list[str] = []
    labels = set(_GIVEN)
    for one in asked(expr):
        if one.metric.startswith(("process_", "python_")):
            continue
        metric = known.get(one.metric) or known.get(_SUFFIX.sub("", one.metric))
        if metric is None:
            wrong.append(f"no metric {one.metric}")
            continue
        labels |= set(metric.labels)
        wrong += _mismatched(metric, dict(one.matchers))
    if "ALERTS" not in expr:
        wrong += [f"grouped by {label}" for label in sorted(grouped_by(expr) - labels)]
    return wrong


def _mismatched(metric: Metric, matchers: Mapping[str, str]) -> list[str]:
    wrong: list[str] = []
    for label, value in matchers.items():
        if label not in metric.labels:
            wrong.append(f"{metric.name} has no label {label}")
            continue
        values = metric.values(label)
        for word in value.split("|"):
            chosen = word.startswith("$") or "names of" in values
            if not chosen and not re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", values):
                wrong.append(f"{metric.name}: {label} is never {word}")
    return wrong
