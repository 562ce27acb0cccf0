"""Spans by OpenTelemetry's SDK, exported over OTLP; sampler, endpoint, resource and queue as its own variables say."""

import asyncio
import threading
import time
from collections.abc import Sequence
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import (
    SERVICE_INSTANCE_ID,
    SERVICE_NAME,
    SERVICE_VERSION,
    OTELResourceDetector,
    Resource,
)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from musicrec import __version__
from musicrec.trace_context import TRACEPARENT, TRACESTATE, TraceContext, trace_context
from streams.messages import Incoming
from streams.metrics import EventOutcome

CLOSE_DEADLINE_S: Final = 5.0
"""For what waits to be exported when a worker ends; a collector that is away keeps no worker from ending."""

_W3C: Final = TraceContextTextMapPropagator()


class ExportedTraces:
    """The spans of one process.  A collector that is away costs spans, never messages."""

    def __init__(self, agent: str, group: str, instance: str | None) -> None:
        own = {SERVICE_NAME: f"musicrec-{agent}", SERVICE_VERSION: __version__}
        if instance:
            own[SERVICE_INSTANCE_ID] = instance
        # What OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say counts more.
        resource = Resource.create(own).merge(OTELResourceDetector().detect())
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("musicrec", __version__)
        self._group = group

    def batch(self) -> "ExportedBatch":
        """Begin a batch now."""
        return ExportedBatch(self._tracer, self._group)

    async def close(self) -> None:
        """Send what waits; a collector that takes nothing is not waited for, neither here nor at the process's end."""
        sending = threading.Thread(target=self._provider.shutdown, name="send spans", daemon=True)
        sending.start()
        until_s = time.monotonic() + CLOSE_DEADLINE_S
        while sending.is_alive() and time.monotonic() < until_s:
            await asyncio.sleep(0.05)


class ExportedBatch:
    """The spans of one batch; all begin when it does, since the messages of a batch share its round trips."""

    def __init__(self, tracer: trace.Tracer, group: str) -> None:
        self._tracer = tracer
        self._group = group
        self._began_ns = time.time_ns()
        self._spans: list[trace.Span] = []

    def step(
        self,
        message: Incoming,
        outcome: EventOutcome,
        *,
        parent: TraceContext | None = None,
        links: Sequence[TraceContext | None] = (),
    ) -> TraceContext | None:
        """Begin a span.  It names no listener: neither the key of the message nor anything of its value."""
        span = self._tracer.start_span(
            f"process {message.topic}",
            context=_in_sdk(parent or trace_context(message.headers)),
            kind=SpanKind.CONSUMER,
            links=[Link(trace.get_current_span(_in_sdk(link)).get_span_context()) for link in links if link],
            start_time=self._began_ns,
            attributes={
                "messaging.system": "kafka",
                "messaging.operation.name": "process",
                "messaging.operation.type": "process",
                "messaging.destination.name": message.topic,
                **_place(message),
                "messaging.consumer.group.name": self._group,
                "musicrec.outcome": outcome.value,
                "musicrec.waited_ms": max(0, self._began_ns // 1_000_000 - message.timestamp_ms),
            },
        )
        self._spans.append(span)
        carrier: dict[str, str] = {}
        _W3C.inject(carrier, trace.set_span_in_context(span))
        return TraceContext(carrier[TRACEPARENT], carrier.get(TRACESTATE, "")) if carrier else None

    def end(self, error: Exception | None = None) -> None:
        """End all."""
        for span in self._spans:
            if error is not None:
                span.set_status(Status(StatusCode.ERROR, f"{type(error).__name__}; tried again"))
            span.end()
        self._spans = []


def _place(message: Incoming) -> dict[str, str | int]:
    if not message.is_published:
        return {}
    return {"messaging.destination.partition.id": str(message.partition), "messaging.kafka.offset": message.offset}


def _in_sdk(context: TraceContext | None) -> Context:
    carrier = {} if context is None else {TRACEPARENT: context.traceparent, TRACESTATE: context.tracestate}
    return _W3C.extract(carrier, Context())
