"""Spans for the tests: told into memory by the SDK, or to a collector on a socket, by OTLP."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from shared.traces.otlp import Otel
from shared.traces.traces import Traces
from tests.builders.operating import answering


@dataclass(frozen=True)
class Seen:
    """One span; ids are hexadecimal, `parent` "" of a first one, `links` (trace, span)."""

    name: str
    trace: str
    span: str
    parent: str
    links: tuple[tuple[str, str], ...]
    attributes: dict[str, Any]
    kind: str
    failed: bool
    service: str = ""

    @property
    def event_id(self) -> str | None:
        """The event it is about, as logs name it."""
        found: str | None = self.attributes.get("nps.event_id")
        return found


@dataclass
class Memory:
    """Traces that are told into memory."""

    _exporter: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)

    def __post_init__(self) -> None:
        self.backend = Otel(Resource({}), SimpleSpanProcessor(self._exporter))
        self.traces = Traces(self.backend)

    def spans(self) -> list[Seen]:
        """Return what was told so far."""
        return [
            Seen(
                name=one.name,
                trace=f"{one.context.trace_id:032x}",
                span=f"{one.context.span_id:016x}",
                parent="" if one.parent is None else f"{one.parent.span_id:016x}",
                links=tuple(
                    (f"{link.context.trace_id:032x}", f"{link.context.span_id:016x}")
                    for link in one.links
                ),
                attributes=dict(one.attributes or {}),
                kind=one.kind.name.lower(),
                failed=not one.status.is_ok,
            )
            for one in self._exporter.get_finished_spans()
        ]


class Collector:
    """A collector's end: everything that all processes told it, as text too."""

    def __init__(self) -> None:
        self.url = ""
        self.spans: list[Seen] = []
        self._texts: list[str] = []

    def of(self, trace: str) -> list[Seen]:
        """Return the spans of one trace."""
        return [span for span in self.spans if span.trace == trace]

    def about(self, event_id: str) -> list[Seen]:
        """Return the spans that name one event."""
        return [span for span in self.spans if span.event_id == event_id]

    def text(self) -> str:
        """Give all that was told, in the words of the wire."""
        return "\n".join(self._texts)

    async def take(self, request: Request) -> Response:
        """Take one export."""
        told = ExportTraceServiceRequest.FromString(await request.body())
        self._texts.append(str(told))
        self.spans += _read(told)
        answer = ExportTraceServiceResponse().SerializeToString()
        return Response(answer, media_type="application/x-protobuf")


def _read(told: ExportTraceServiceRequest) -> Iterator[Seen]:
    for resource in told.resource_spans:
        known = _values(resource.resource.attributes)
        for scope in resource.scope_spans:
            for one in scope.spans:
                yield Seen(
                    name=one.name,
                    trace=one.trace_id.hex(),
                    span=one.span_id.hex(),
                    parent=one.parent_span_id.hex(),
                    links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in one.links),
                    attributes=_values(one.attributes),
                    kind=one.SpanKind.Name(one.kind).removeprefix("SPAN_KIND_").lower(),
                    failed=one.status.code == 2,  # STATUS_CODE_ERROR
                    service=known["service.name"],
                )


def _values(attributes: Sequence[Any]) -> dict[str, Any]:
    return {one.key: _value(one.value) for one in attributes}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(one) for one in value.array_value.values]
    return getattr(value, kind)


@asynccontextmanager
async def open_collector() -> AsyncIterator[Collector]:
    """Serve a collector in this event loop."""
    collector = Collector()
    app = Starlette(routes=[Route("/v1/traces", collector.take, methods=["POST"])])
    async with answering(app) as collector.url:
        yield collector
