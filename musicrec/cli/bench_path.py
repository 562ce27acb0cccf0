"""`musicrec bench path`."""

import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from musicrec.cli.connection import KafkaServers, RedisUrl, kafka_settings, redis_settings


def command(
    rate: Annotated[float, typer.Option(min=1, help="Events per second of the latency phases.")] = 200.0,
    seconds: Annotated[float, typer.Option(min=1, help="Length of each latency phase.")] = 30.0,
    flat_out: Annotated[int, typer.Option(min=100, help="Events of the throughput phase.")] = 20_000,
    in_one: Annotated[
        bool,
        typer.Option("--in-one", help="Session-ranking workers instead of session and ranking workers."),
    ] = False,
    workers: Annotated[int, typer.Option(min=1, help="Of each kind.")] = 1,
    in_session: Annotated[
        bool,
        typer.Option(
            "--in-session", help="In the middle of sessions of 20 plays, as real ones are, not at a first play."
        ),
    ] = False,
    everything: Annotated[
        bool,
        typer.Option("--everything", help="With 50,000 described tracks with vectors, outcome worker and live page."),
    ] = False,
    kafka: KafkaServers = None,
    redis: RedisUrl = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object as the last line.")] = False,
) -> None:
    """Measure event to list on the real broker, beside a bare aiokafka relay of the same two hops.

    JSON keys: ours.p50_ms, ours.p99_ms and ours.lists_per_s; relay.p50_ms and relay.p99_ms.
    """
    import uvloop

    from musicrec.bench.path import PathReport, measure_path
    from musicrec.local import EmbeddedStack
    from streams.topic_admin import create_missing_topics

    def progress(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    async def measure(folder: Path) -> PathReport:
        async with EmbeddedStack(folder, kafka=kafka_settings(kafka), redis=redis_settings(redis)) as stack:
            await create_missing_topics(stack.addresses.kafka)
            return await measure_path(
                stack.addresses,
                folder,
                rate_per_s=rate,
                seconds=seconds,
                flat_out_events=flat_out,
                workers=("session-ranking",) if in_one else ("session", "ranking"),
                of_each=workers,
                in_session=in_session,
                everything=everything,
                progress=progress,
            )

    with (
        tempfile.TemporaryDirectory(prefix="musicrec-bench-") as folder,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        report = runner.run(measure(Path(folder)))
    typer.echo(f"event to list at {rate:g}/s: p50 {report.ours.p50_ms:.1f} ms, p99 {report.ours.p99_ms:.1f} ms")
    typer.echo(f"bare relay at {rate:g}/s:    p50 {report.relay.p50_ms:.1f} ms, p99 {report.relay.p99_ms:.1f} ms")
    typer.echo(f"flat out: {report.lists_per_s:.0f} lists/s, {report.passed_over} events answered with a newer one")
    if as_json:
        typer.echo(json.dumps(report.as_dict()))
