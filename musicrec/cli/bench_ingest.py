"""`musicrec bench ingest`."""

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from musicrec.cli.connection import KafkaServers, RedisUrl, kafka_settings, redis_settings


def command(
    events: Annotated[int, typer.Option(min=100, help="Events to apply.")] = 20_000,
    kafka: KafkaServers = None,
    redis: RedisUrl = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object as the last line.")] = False,
) -> None:
    """Measure how many events per second one session worker decodes, applies, emits, saves and acknowledges.

    JSON keys: ours.events_per_s.
    """
    import uvloop
    from aiokafka import ConsumerRecord
    from pydantic_core import from_json

    from musicrec.bench.listen_load import listen_load
    from musicrec.bench.path_probe import PathProbe, start_worker
    from musicrec.local import EmbeddedStack
    from musicrec.topics import LISTENS, SESSIONS
    from streams.topic_admin import create_missing_topics

    def applied(record: ConsumerRecord) -> list[str]:
        return [from_json(record.value)["trigger"]["event_id"]]

    async def measure(folder: Path) -> float:
        run = f"{time.time_ns():x}"
        async with EmbeddedStack(folder, kafka=kafka_settings(kafka), redis=redis_settings(redis)) as stack:
            addresses = stack.addresses
            await create_missing_topics(addresses.kafka)
            async with PathProbe(addresses.kafka, LISTENS.name, SESSIONS.name, applied) as probe:
                worker = await start_worker("session", addresses, folder)
                try:
                    await probe.run(listen_load(f"warm-up-{run}"), rate_per_s=200, count=200)
                    print(f"{events} events flat out", file=sys.stderr)
                    began_s = time.perf_counter()
                    await probe.run(listen_load(f"ingest-{run}"), rate_per_s=None, count=events)
                    return events / (time.perf_counter() - began_s)
                finally:
                    await worker.stop()

    with (
        tempfile.TemporaryDirectory(prefix="musicrec-bench-") as folder,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        events_per_s = runner.run(measure(Path(folder)))
    typer.echo(f"one session worker: {events_per_s:.0f} events/s")
    if as_json:
        typer.echo(json.dumps({"ours": {"events_per_s": round(events_per_s, 1)}}))
