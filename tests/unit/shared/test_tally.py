"""What is counted by plain numbers is shown as the Prometheus client shows its own."""

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from shared.tally import Spread, Tally

BOUNDS = (0.001, 0.25, 1.0, 5.0)


def _samples(registry: CollectorRegistry) -> set[tuple[str, tuple[tuple[str, str], ...], float]]:
    """All but when each was made, which only the client's own tell."""
    return {
        (sample.name, tuple(sorted(sample.labels.items())), sample.value)
        for family in registry.collect()
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def test_a_tally_gives_the_samples_of_a_counter() -> None:
    """Each combination of labels by itself; one that was added with 0 stands there."""
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    tally = Tally("nps_x", "About", ("source", "outcome"), ours)
    counter = Counter("nps_x", "About", ("source", "outcome"), registry=theirs)
    for source, outcome, by in (("a", "x", 1), ("a", "x", 2), ("b", "x", 1), ("b", "y", 0)):
        tally.add((source, outcome), by)
        counter.labels(source, outcome).inc(by)

    assert _samples(ours) == _samples(theirs)
    assert ours.get_sample_value("nps_x_total", {"source": "a", "outcome": "x"}) == 3


def test_a_spread_gives_the_samples_of_a_histogram() -> None:
    """A value on the end of a bucket counts in it, one above all ends in the last."""
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    spread = Spread("nps_s", "About", ("route",), ours, bounds=BOUNDS)
    histogram = Histogram("nps_s", "About", ("route",), buckets=BOUNDS, registry=theirs)
    for value in (0.0005, 0.001, 0.0011, 0.25, 0.9, 5.0, 5.1, 60.0):
        spread.observe(("w",), value)
        histogram.labels("w").observe(value)

    assert _samples(ours) == _samples(theirs)


def test_a_name_is_taken_once() -> None:
    """Two metrics of one name would be told as one: the second is a mistake of ours."""
    registry = CollectorRegistry()
    Tally("nps_x", "About", (), registry)

    with pytest.raises(ValueError, match="nps_x"):
        Tally("nps_x", "About", (), registry)
    with pytest.raises(ValueError, match="nps_x"):
        Counter("nps_x", "About", registry=registry)


def test_what_is_scraped_is_prometheus_text() -> None:
    """The page of /metrics names type and help of both."""
    registry = CollectorRegistry()
    Tally("nps_x", "About x", ("source",), registry).add(("a",))
    Spread("nps_s", "About s", (), registry, bounds=BOUNDS).observe((), 0.2)

    page = generate_latest(registry).decode()

    assert "# HELP nps_x_total About x\n# TYPE nps_x_total counter\n" in page
    assert 'nps_x_total{source="a"} 1.0\n' in page
    assert "# TYPE nps_s histogram\n" in page
    assert 'nps_s_bucket{le="0.25"} 1.0\n' in page
    assert 'nps_s_bucket{le="+Inf"} 1.0\n' in page
    assert "nps_s_sum 0.2\n" in page
