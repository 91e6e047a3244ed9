"""What the SDK makes of our places, and that nobody who leaves it off has it."""

import os
import subprocess
import sys
import threading
from uuid import UUID

import pytest

from shared.errors import ConfigError
from shared.events.ids import name_id
from shared.shutdown import bounded
from shared.traces.opening import Opened, open_traces
from shared.traces.places import Place
from shared.traces.traces import MOST_LINKS, Span, sampled
from tests.builders.processes import ROOT
from tests.builders.traced import Memory

#: Everything that a process of the product imports; then what of OpenTelemetry came with it.
IMPORTED = """
import importlib, sys
from shared.traces.opening import open_traces
for name in ("ingest", "segmenter", "dispatcher"):
    importlib.import_module(f"services.{name}.__main__")
assert open_traces("off", "nps", "one") is None
print(*(name for name in sys.modules
        if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter", "google.protobuf"))))
"""


def causes(count: int) -> list[UUID]:
    """Name some causes, as all of ours are named."""
    return [name_id("cause", number) for number in range(count)]


def test_off_nothing_of_it_is_imported() -> None:
    """Neither memory nor time at the start is taken from who did not ask for traces."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", IMPORTED],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_share_that_is_sampled_is_the_one_asked_for(
    monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    """Though some bits of a UUID never change, and the SDK's sampler looks at these first."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", str(share))
    traces, another = Memory().traces, Memory().traces

    told = [traces.of(cause).sampled for cause in causes(2000)]

    assert abs(sum(told) / len(told) - share) < 0.03
    # Any process decides the same of the same cause.
    assert told == [another.of(cause).sampled for cause in causes(2000)]


def test_who_goes_on_samples_as_who_began(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trace is told whole or not at all, though two processes are set otherwise."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_always_off")
    traces = Memory().traces
    (cause,) = causes(1)

    assert not traces.of(cause).sampled
    assert traces.of(cause, told=Place(cause.int, 7, sampled=True)).sampled
    assert traces.after(Place(11, 7, sampled=True), cause).sampled
    # Another trace's decision is not ours.
    assert not traces.of(cause, told=Place(11, 7, sampled=True)).sampled


def test_a_span_is_where_its_place_says() -> None:
    """Trace, number, parent and links are the ones that other processes were told."""
    memory = Memory()
    traces = memory.traces
    (cause,) = causes(1)
    first = traces.of(cause, span=5)
    second = traces.under(first)
    batch = traces.over([first, second])
    traces.tell(Span("first", first, 1, 2))
    traces.tell(Span("second", second, 1, 2, parent=first, links=[batch], failed="too late"))

    one, other = memory.spans()

    assert (one.trace, one.span, one.parent) == (cause.hex, f"{5:016x}", "")
    assert (other.trace, other.parent) == (cause.hex, one.span)
    assert other.links == ((f"{batch.trace:032x}", f"{batch.span:016x}"),)
    assert (one.failed, other.failed) == (False, True)


def test_what_is_not_sampled_is_not_told() -> None:
    """Nor linked to: it leads nowhere."""
    memory = Memory()
    unsampled, place = Place(3, 4, sampled=False), Place(5, 6, sampled=True)
    memory.traces.tell(Span("hidden", unsampled, 1, 2))

    assert memory.spans() == []
    assert sampled([unsampled, place, place]) == [place]
    assert not memory.traces.over([unsampled]).sampled
    assert memory.traces.over([unsampled, place]).sampled


def test_a_batch_links_to_so_many_as_the_sdk_keeps() -> None:
    """More would be dropped there in silence, the first ones first."""
    members = [Place(number, number, sampled=True) for number in range(1, 500)]

    assert sampled(members) == members[:MOST_LINKS]


async def test_a_collector_that_hangs_keeps_no_process_from_ending() -> None:
    """What waits is sent for as long as its phase lasts, by a thread that ends with the process."""
    hangs, asked = threading.Event(), threading.Event()

    def close() -> None:
        asked.set()
        hangs.wait()

    await bounded("traces", 0.01, Opened(Memory().traces, close).send())
    sending = [one for one in threading.enumerate() if "closing" in one.name]
    hangs.set()

    assert asked.is_set()
    assert [one.daemon for one in sending] == [True]


async def test_what_waits_is_sent_at_the_end() -> None:
    """The last spans of a process tell how it ended."""
    closed: list[str] = []

    await Opened(Memory().traces, lambda: closed.append("sent")).send()

    assert closed == ["sent"]


def test_a_protocol_that_is_not_spoken_ends_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else spans would go to a port that does not understand them, for ever."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")

    with pytest.raises(ConfigError, match="OTEL_EXPORTER_OTLP_PROTOCOL"):
        open_traces("otlp", "nps-ingest", "one")
