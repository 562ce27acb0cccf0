"""One trace, as a collector has it: a play, its session, its list, and what was played then."""

import asyncio
from argparse import Namespace

import reach_tests  # noqa: F401
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from span_collector import Span, collecting
from stage import Stage, arguments_of, run, show

from musicrec.client import AsyncClient, play

SPANS = 4
"""Session, list, and two outcomes: of this play, before which no list was made, and of the one after this list."""


async def measure(stage: Stage, chosen: Namespace) -> None:
    """Play twice and print the tree of the first play's spans."""
    trace.set_tracer_provider(TracerProvider())
    player = trace.get_tracer("player")
    async with collecting() as collector:
        asked = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "OTEL_BSP_SCHEDULE_DELAY": "100"}
        agents = ("session-ranking",) if chosen.in_one else ("session", "ranking")
        await stage.start_all(*agents, "outcome", **asked)
        async with AsyncClient(stage.stack.kafka) as musicrec:
            for number in range(20):  # the first events of a process are slow
                await musicrec.list_after(play("bob", f"t{number}", ms_played=200_000), deadline_s=60)
            with player.start_as_current_span("player") as span:
                trace_id = f"{span.get_span_context().trace_id:032x}"
                made = await musicrec.list_after(play("ada", "t3", ms_played=200_000), deadline_s=60)
            await musicrec.list_after(play("ada", made.items[0].track_id, ms_played=200_000), deadline_s=60)
            async with asyncio.timeout(60):
                while len(collector.of_trace(trace_id)) < SPANS:
                    await asyncio.sleep(0.1)
    spans = sorted(collector.of_trace(trace_id), key=lambda each: each.began_ns)
    known = {each.span_id for each in spans}
    show(f"trace {trace_id}, list {made.list_id}")
    for root in (each for each in spans if each.parent_id not in known):
        _show(root, spans, root.began_ns, 0)


def _show(span: Span, spans: list[Span], began_ns: int, depth: int) -> None:
    after_ms, took_ms = (span.began_ns - began_ns) / 1e6, (span.ended_ns - span.began_ns) / 1e6
    what = f"{span.service}: {span.name}, {span.attributes['musicrec.outcome']}"
    show(f"{'  ' * depth}{what:<{80 - 2 * depth}} +{after_ms:6.1f} ms, took {took_ms:5.1f} ms, links {len(span.links)}")
    for child in spans:
        if child.parent_id == span.span_id:
            _show(child, spans, began_ns, depth + 1)


def main() -> None:
    """Read the command line and measure."""
    arguments = arguments_of(__doc__)
    arguments.add_argument("--in-one", action="store_true", help="sessions and lists in one worker")
    chosen = arguments.parse_args()
    run(lambda stage: measure(stage, chosen), chosen.folder)


if __name__ == "__main__":
    main()
