"""One trace from a play to its list and to what was played then, through real workers and a real broker."""

import asyncio
import json
import re
import uuid

import pytest
from conftest import Worker
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from probe import about, producing, reading
from span_collector import collecting

from musicrec.client import AsyncClient, play
from musicrec.contracts import Recommendation
from musicrec.local import StackAddresses
from musicrec.trace_context import TraceContext, trace_context

pytestmark = pytest.mark.kafka

SLOW_S = 60.0
LISTENS, SESSIONS, LISTS, OUTCOMES = (
    f"musicrec.{name}.v1" for name in ("listens", "sessions", "recommendations", "outcomes")
)


def fresh(name: str) -> str:
    return f"{name} {uuid.uuid4().hex[:8]}"


def context_in(traceparent: str | None) -> TraceContext:
    assert traceparent is not None
    context = trace_context([("traceparent", traceparent.encode())])
    assert context is not None
    return context


@pytest.fixture
def program() -> trace.Tracer:
    """A program that traces, and whose spans the client's are children of."""
    if not isinstance(trace.get_tracer_provider(), TracerProvider):
        trace.set_tracer_provider(TracerProvider())
    return trace.get_tracer("a player")


async def test_a_play_its_session_its_list_and_what_was_played_then_are_one_trace(
    stack: StackAddresses, worker: Worker, program: trace.Tracer
) -> None:
    ada, first, second = fresh("ada"), fresh("track"), fresh("track")
    async with collecting() as collector:
        asked = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "OTEL_BSP_SCHEDULE_DELAY": "100"}
        async with (
            worker("session", **asked),
            worker("ranking", **asked),
            worker("outcome", **asked),
            AsyncClient(stack.kafka) as musicrec,
            reading(stack, SESSIONS, LISTS, OUTCOMES, only=about(ada)) as tail,
        ):
            with program.start_as_current_span("ada presses play") as pressed:
                pressed_id = f"{pressed.get_span_context().trace_id:032x}"
                made = await musicrec.list_after(play(ada, first, ms_played=200_000), deadline_s=SLOW_S)
            with program.start_as_current_span("ada presses next") as next_pressed:
                next_id = f"{next_pressed.get_span_context().trace_id:032x}"
                await musicrec.list_after(play(ada, second, ms_played=200_000), deadline_s=SLOW_S)
            await tail.until(lambda t: sum(record.topic == OUTCOMES for record in t.records) == 2)
            # No list came before the first play: its own outcome is in its trace too, as a fourth span.
            async with asyncio.timeout(SLOW_S):
                while len(collector.of_trace(pressed_id)) < 4 or len(collector.of_trace(next_id)) < 2:
                    await asyncio.sleep(0.05)
    spans = collector.of_trace(pressed_id)
    by_outcome = {span.attributes["musicrec.outcome"]: span for span in spans}
    assert sorted(by_outcome) == ["applied", "listed", "miss", "without_list"]
    session, ranking, miss = by_outcome["applied"], by_outcome["listed"], by_outcome["miss"]
    assert [span.service for span in (session, ranking, miss)] == [
        "musicrec-session",
        "musicrec-ranking",
        "musicrec-outcome",
    ]
    assert session.name == f"process {LISTENS}"
    assert ranking.parent_id == session.span_id
    assert miss.parent_id == ranking.span_id
    (played,) = (span for span in collector.of_trace(next_id) if span.service == "musicrec-session")
    assert miss.links == [f"{next_id}-{played.span_id}"]
    assert context_in(made.traceparent).trace_id == pressed_id
    told = json.dumps([span.attributes for span in collector.spans])
    assert ada not in told
    assert first not in told
    # The published list says in header and body which span made it.
    published = next(record for record in tail.records if record.topic == LISTS)
    assert trace_context(published.headers) == context_in(Recommendation.decode(published.value).traceparent)


async def test_without_a_collector_a_publishers_trace_is_passed_on_and_lines_of_the_log_are_json_where_asked_for(
    stack: StackAddresses, worker: Worker
) -> None:
    bob = fresh("bob")
    parent = TraceContext("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "vendor=value")
    silent = await asyncio.start_server(lambda reader, writer: asyncio.sleep(3600), "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    away = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}", "MUSICREC_LOG__FORMAT": "json"}
    async with reading(stack, SESSIONS, LISTS, only=about(bob)) as tail, producing(stack) as producer:
        # The collector of the ranking worker takes nothing: that costs spans, no message, and not the worker's end.
        async with worker("session"), worker("ranking", **away) as ranking:
            event = play(bob, fresh("track"), ms_played=200_000)
            await producer.send_and_wait(LISTENS, event.encode(), key=bob.encode(), headers=parent.headers())
            await tail.until(lambda t: len(t.records) == 2)
        assert ranking.returncode == 0
    silent.close()
    snapshot, published = sorted(tail.records, key=lambda record: record.topic == LISTS)
    assert trace_context(snapshot.headers) == parent
    context = trace_context(published.headers)
    assert context is not None
    assert (context.trace_id, context.traceparent != parent.traceparent) == (parent.trace_id, True)
    lines = [line for line in ranking.log_file.read_text().splitlines() if not re.fullmatch(r"ranking: \w+", line)]
    logged = [json.loads(line) for line in lines]
    assert logged
    assert {(line["service"], line["instance"]) for line in logged} == {("musicrec-ranking", "ranking-0")}
    assert all(line["level"] and line["timestamp"] and line["message"] for line in logged)
