"""What a message's headers say of its trace."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicrec.trace_context import MAX_TRACESTATE_BYTES, TraceContext, trace_context

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@given(
    st.text("0123456789abcdef", min_size=32, max_size=32).filter(lambda trace: trace != "0" * 32),
    st.text("0123456789abcdef", min_size=16, max_size=16).filter(lambda span: span != "0" * 16),
    st.text("0123456789abcdef", min_size=2, max_size=2),
    st.text("abc=,1", max_size=20),
)
def test_what_is_written_is_read(trace: str, span: str, flags: str, state: str) -> None:
    context = TraceContext(f"00-{trace}-{span}-{flags}", state)
    assert trace_context([("content-type", b"application/json"), *context.headers()]) == context
    assert context.trace_id == trace


@given(st.binary(max_size=80))
def test_whatever_else_stands_there_is_no_context_and_no_error(value: bytes) -> None:
    found = trace_context([("traceparent", value), ("tracestate", value)])
    assert found is None or found.traceparent.encode() == value


@pytest.mark.parametrize(
    "value",
    [
        b"",
        None,
        b"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        b"00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        b"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        b"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        PARENT.encode() + b"\n",
    ],
)
def test_what_breaks_the_standard_is_no_context(value: bytes | None) -> None:
    assert trace_context([("traceparent", value)]) is None


def test_a_state_that_is_too_long_is_dropped_and_the_parent_kept() -> None:
    long = b"a" * (MAX_TRACESTATE_BYTES + 1)
    assert trace_context([("traceparent", PARENT.encode()), ("tracestate", long)]) == TraceContext(PARENT)
