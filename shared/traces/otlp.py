"""OpenTelemetry behind `Traces`: the one module that imports its SDK, and only when traces are on.

In: the standard `OTEL_…` variables (where to, how much, whose name). Out: spans by OTLP over HTTP,
in batches, by a thread of the SDK's that keeps nobody waiting: what it cannot send it lets go.
"""

import os
from collections.abc import Callable
from typing import Final

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Decision, Sampler
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from shared.errors import ConfigError
from shared.traces.places import Place
from shared.traces.traces import Span, Traces

_KINDS: Final = {
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
    "internal": SpanKind.INTERNAL,
}
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_HALF: Final = (1 << 64) - 1


class _Given(IdGenerator):
    """Gives a span the numbers that its place has."""

    def __init__(self) -> None:
        self.place = Place(1, 1, sampled=True)

    def generate_trace_id(self) -> int:
        return self.place.trace

    def generate_span_id(self) -> int:
        return self.place.span


class Otel:
    """A `Backend`: the SDK's sampler decides, its processor takes."""

    def __init__(self, resource: Resource, processor: SpanProcessor) -> None:
        self._sampler: Sampler = TracerProvider(resource=resource, shutdown_on_exit=False).sampler
        self._given = _Given()
        # What comes here was decided before.
        self._provider = TracerProvider(
            sampler=ALWAYS_ON, resource=resource, shutdown_on_exit=False, id_generator=self._given
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("nps-connector")

    def samples(self, trace: int, parent: Place | None) -> bool:
        """Ask the sampler that `OTEL_TRACES_SAMPLER` names."""
        # It looks at the lower half alone, whose first two bits are the same in every UUID; with
        # the halves changed the share that it takes is the one that it is told to take.
        mixed = (trace & _HALF) << 64 | trace >> 64
        decided = self._sampler.should_sample(_context(parent), mixed, "")
        return decided.decision is Decision.RECORD_AND_SAMPLE

    def tell(self, span: Span) -> None:
        """Make it a span of the SDK's and end it."""
        self._given.place = span.place
        attributes = span.attributes or {}
        told = self._tracer.start_span(
            span.name,
            context=_context(span.parent),
            kind=_KINDS[span.kind],
            attributes={name: value for name, value in attributes.items() if value is not None},
            links=[Link(_told(link)) for link in span.links],
            start_time=span.began,
        )
        if span.failed is not None:
            told.set_status(Status(StatusCode.ERROR, span.failed))
        told.end(span.ended)

    def close(self) -> None:
        """Send what waits; may take as long as the exporter's time-out."""
        self._provider.shutdown()


def _told(place: Place) -> SpanContext:
    flags = TraceFlags(TraceFlags.SAMPLED if place.sampled else TraceFlags.DEFAULT)
    return SpanContext(place.trace, place.span, is_remote=True, trace_flags=flags)


def _context(parent: Place | None) -> Context:
    if parent is None:
        return Context()
    return set_span_in_context(NonRecordingSpan(_told(parent)), Context())


def otlp_traces(service: str, instance: str) -> tuple[Traces, Callable[[], None]]:
    """Build the traces of a process, and what closes them. Raises `ConfigError`."""
    for name in _PROTOCOLS:
        if os.environ.get(name, "http/protobuf") != "http/protobuf":
            raise ConfigError(f"{name}: traces are told by http/protobuf: remove it, or set that")
    ours = Resource({"service.name": service, "service.instance.id": instance})
    # What the environment says of the service wins.
    resource = ours.merge(OTELResourceDetector().detect())
    backend = Otel(resource, BatchSpanProcessor(OTLPSpanExporter()))
    return Traces(backend), backend.close
