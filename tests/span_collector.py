"""A collector of spans as OpenTelemetry's exporters know it: OTLP over HTTP, protobuf bodies."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Span(NamedTuple):
    """What was exported of one span."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    links: list[str]
    """Spans, each as trace-span."""
    attributes: dict[str, str]
    is_error: bool
    began_ns: int
    """Unix time."""
    ended_ns: int


class SpanCollector:
    """Keeps what is exported to it."""

    def __init__(self) -> None:
        self.endpoint = ""
        self.spans: list[Span] = []

    async def take(self, request: web.Request) -> web.Response:
        """Take an export."""
        exported = ExportTraceServiceRequest.FromString(await request.read())
        for of_resource in exported.resource_spans:
            resource = _attributes(of_resource.resource.attributes)
            for of_scope in of_resource.scope_spans:
                self.spans += [_span(resource["service.name"], span) for span in of_scope.spans]
        return web.Response(content_type="application/x-protobuf")

    def of_trace(self, trace_id: str) -> list[Span]:
        """Return the spans of a trace."""
        return [span for span in self.spans if span.trace_id == trace_id]


def _attributes(pairs: Any) -> dict[str, str]:
    return {pair.key: str(getattr(pair.value, pair.value.WhichOneof("value"))) for pair in pairs}


def _span(service: str, span: Any) -> Span:
    return Span(
        service,
        span.name,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        [f"{link.trace_id.hex()}-{link.span_id.hex()}" for link in span.links],
        _attributes(span.attributes),
        span.status.code == 2,
        span.start_time_unix_nano,
        span.end_time_unix_nano,
    )


@asynccontextmanager
async def collecting() -> AsyncIterator[SpanCollector]:
    """Give a collector that listens."""
    collector = SpanCollector()
    app = web.Application()
    app.router.add_post("/v1/traces", collector.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    collector.endpoint = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield collector
    finally:
        await runner.cleanup()
