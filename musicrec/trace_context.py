"""Where in a trace a message stands, as its headers tell: one trace from a play to its list and what was played then.

Source: W3C Trace Context; over Kafka its HTTP headers are record headers of the same names.
"""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"
MAX_TRACESTATE_BYTES: Final = 512
"""What the source asks everybody to pass on; a longer one is dropped whole, as it allows."""
TRACEPARENT_PATTERN: Final = "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"

_VALID: Final = re.compile(TRACEPARENT_PATTERN)
_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16


class TraceContext(NamedTuple):
    """A span that others may be children of."""

    traceparent: str
    """Version, trace, span and flags."""
    tracestate: str = ""
    """What the vendors of the trace add."""

    @property
    def trace_id(self) -> str:
        """The trace, 32 hexadecimal digits."""
        return self.traceparent.split("-")[1]

    def headers(self) -> list[tuple[str, bytes]]:
        """Return the headers of a message that the span has caused."""
        headers = [(TRACEPARENT, self.traceparent.encode())]
        return [*headers, (TRACESTATE, self.tracestate.encode())] if self.tracestate else headers


def trace_context(headers: Iterable[tuple[str, bytes | None]]) -> TraceContext | None:
    """Return the context that a message carries; what breaks the standard counts as none, as the standard has it.

    >>> trace_context([("traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")]).trace_id
    '4bf92f3577b34da6a3ce929d0e0e4736'
    >>> trace_context([("traceparent", b"00-00000000000000000000000000000000-00f067aa0ba902b7-01")]) is None
    True
    """
    parent = state = None
    for name, value in headers:
        if name == TRACEPARENT:
            parent = value
        elif name == TRACESTATE:
            state = value
    if not parent or not is_traceparent(text := parent.decode("latin-1")):
        return None
    keeps_state = state and len(state) <= MAX_TRACESTATE_BYTES and state.isascii()
    return TraceContext(text, state.decode() if state and keeps_state else "")


def is_traceparent(text: str) -> bool:
    """Return whether a text is a `traceparent` of this version."""
    if not _VALID.fullmatch(text):
        return False
    _, trace, span, _ = text.split("-")
    return trace != _NO_TRACE and span != _NO_SPAN
