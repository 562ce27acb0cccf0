"""The span of a message that a program publishes, where it uses OpenTelemetry; the agents go on with its trace.

Only OpenTelemetry's interface is asked: what spans become is the program's business.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from musicrec.topics import Topic

try:
    from opentelemetry import trace
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
except ImportError:

    @contextmanager
    def publishing(topic: Topic) -> Iterator[list[tuple[str, bytes]]]:
        """Give no headers."""
        yield []

else:

    @contextmanager
    def publishing(topic: Topic) -> Iterator[list[tuple[str, bytes]]]:
        """Give the headers of a message that is published while the body runs: where in the current trace it stands."""
        tracer = trace.get_tracer("musicrec.client")
        attributes = {
            "messaging.system": "kafka",
            "messaging.operation.name": "send",
            "messaging.operation.type": "send",
            "messaging.destination.name": topic.name,
        }
        with tracer.start_as_current_span(f"send {topic.name}", kind=trace.SpanKind.PRODUCER, attributes=attributes):
            carrier: dict[str, str] = {}
            TraceContextTextMapPropagator().inject(carrier)
            yield [(name, value.encode()) for name, value in carrier.items()]
