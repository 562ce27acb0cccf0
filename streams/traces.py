"""Traces across the topics: what each agent does with a message is a span of the trace that the message came with.

A play is published within some trace, or begins one.  The session agent's span is its child, the ranking agent's span
is the child of that, and the outcome agent's, which tells what was played after a list, is a child of the list's, with
a link to the play that decided it.  Without OpenTelemetry no spans are made, and the context is passed on as it came.

Source: OpenTelemetry's semantic conventions for messaging.
"""

import os
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Final, Protocol

from musicrec.contracts import Recommendation
from musicrec.errors import Incompatible
from musicrec.trace_context import TraceContext, trace_context
from streams.consumer_groups import consumer_group
from streams.messages import Incoming
from streams.metrics import EventOutcome

ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
"""OpenTelemetry's own variables; spans are made where one is set."""


def made_in(made: Recommendation) -> TraceContext | None:
    """Return the span that made a list, as the list itself has it."""
    return TraceContext(made.traceparent) if made.traceparent else None


class BatchTrace(Protocol):
    """The spans of one batch."""

    def step(
        self,
        message: Incoming,
        outcome: EventOutcome,
        *,
        parent: TraceContext | None = None,
        links: Sequence[TraceContext | None] = (),
    ) -> TraceContext | None:
        """Begin the span of a message, and return the context for what it causes.

        Args:
            message: what is processed.
            outcome: what becomes of it.
            parent: what caused it; what the message carries if None.
            links: what else did.
        """

    def end(self, error: Exception | None = None) -> None:
        """End all spans: with what they caused delivered and saved, or with the error that another attempt follows."""


class Traces(Protocol):
    """Where an agent's spans come from."""

    def batch(self) -> BatchTrace:
        """Begin a batch."""


class PassedOn:
    """No spans: whoever comes later is a child of whoever published."""

    def batch(self) -> "PassedOn":
        """Begin nothing."""
        return self

    def step(
        self,
        message: Incoming,
        outcome: EventOutcome,
        *,
        parent: TraceContext | None = None,
        links: Sequence[TraceContext | None] = (),
    ) -> TraceContext | None:
        """Return what the message carries."""
        return parent or trace_context(message.headers)

    def end(self, error: Exception | None = None) -> None:
        """End nothing."""


PASSED_ON: Final = PassedOn()


def traces_of(
    agent: str, instance: str | None, stack: AsyncExitStack, environment: Mapping[str, str] = os.environ
) -> Traces:
    """Return the spans of an agent as OpenTelemetry's variables ask for them.

    Args:
        agent: its name; `OTEL_SERVICE_NAME` is another.
        instance: name of the process.
        stack: what is waiting to be exported is sent when it closes.
        environment: where the variables stand.

    Raises:
        Incompatible: spans are asked for and OpenTelemetry is not installed.
    """
    endpoint = next((name for name in ENDPOINTS if environment.get(name)), None)
    disabled = environment.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if endpoint is None or disabled or environment.get("OTEL_TRACES_EXPORTER", "otlp") == "none":
        return PASSED_ON
    try:
        from streams.exported_traces import ExportedTraces
    except ImportError as error:
        raise Incompatible(
            f"{endpoint} asks for traces, and OpenTelemetry is not installed ({error}): "
            f"pip install 'musicrec[traces]', or unset {endpoint}"
        ) from None
    traces = ExportedTraces(agent, consumer_group(agent), instance)
    stack.push_async_callback(traces.close)
    return traces
