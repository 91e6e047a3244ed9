"""Counting what happens on every request: plain numbers that a scrape reads.

In: names, labels (bounded, nothing personal), numbers. Out: the same samples that the Prometheus
client's own counters and histograms give. Those take a lock and check their labels each time: five
of them cost a webhook 50 µs of 310, these 4. For one thread only, that of the loop, which also
writes /metrics.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

Labels = tuple[str, ...]


class Tally(Collector):
    """A counter; `name` without `_total`, `labels` their names."""

    def __init__(
        self, name: str, about: str, labels: Sequence[str], registry: CollectorRegistry
    ) -> None:
        self._name = name
        self._about = about
        self._labels = labels
        self._counts: dict[Labels, int] = {}
        registry.register(self)

    def add(self, labels: Labels, by: int = 1) -> None:
        """Count `by` more under these values of the labels; 0 shows them from the start."""
        self._counts[labels] = self._counts.get(labels, 0) + by

    def describe(self) -> Iterable[CounterMetricFamily]:
        """Name what is collected, so that no other metric takes the name."""
        yield CounterMetricFamily(self._name, self._about, labels=self._labels)

    def collect(self) -> Iterable[CounterMetricFamily]:
        """Give the samples of now."""
        family = CounterMetricFamily(self._name, self._about, labels=self._labels)
        for labels, count in self._counts.items():
            family.add_metric(labels, count)
        yield family


class Spread(Collector):
    """A histogram; `bounds` are the upper ends of its buckets, ascending, without infinity."""

    def __init__(
        self,
        name: str,
        about: str,
        labels: Sequence[str],
        registry: CollectorRegistry,
        *,
        bounds: Sequence[float],
    ) -> None:
        self._name = name
        self._about = about
        self._labels = labels
        self._bounds = tuple(map(float, bounds))
        #: Of each: how many in every bucket alone (the last: above all bounds), and the sum.
        self._seen: dict[Labels, tuple[list[int], list[float]]] = {}
        registry.register(self)

    def observe(self, labels: Labels, value: float) -> None:
        """Count one value."""
        seen = self._seen.get(labels)
        if seen is None:
            seen = self._seen[labels] = ([0] * (len(self._bounds) + 1), [0.0])
        seen[0][bisect_left(self._bounds, value)] += 1
        seen[1][0] += value

    def describe(self) -> Iterable[HistogramMetricFamily]:
        """Name what is collected, so that no other metric takes the name."""
        yield HistogramMetricFamily(self._name, self._about, labels=self._labels)

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """Give the samples of now."""
        family = HistogramMetricFamily(self._name, self._about, labels=self._labels)
        ends = [*map(str, self._bounds), "+Inf"]
        for labels, (counts, (total,)) in self._seen.items():
            buckets = list(zip(ends, accumulate(counts), strict=True))
            family.add_metric(labels, buckets, total)
        yield family
