"""`musicrec replay`: a listening log onto the topic of listens."""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from aiokafka.errors import KafkaError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from musicrec.access import KafkaRule, Operation, Resource
from musicrec.cli.connection import KafkaServers, kafka_settings
from musicrec.cli.interrupt import INTERRUPTED, stopped_by_signals
from musicrec.contracts import ListenEvent
from musicrec.errors import BadInput, Unavailable
from musicrec.importers.log_file import count_log, read_log, time_span_ms
from musicrec.kafka_access import check_access
from musicrec.replay import ReplayReport, replay, replay_producer, shift_to_now_ms, shifted
from musicrec.settings import KafkaSettings, load_settings
from musicrec.topics import LISTENS


def command(
    file: Annotated[Path, typer.Argument(help="Listen events as .jsonl or .jsonl.gz, or listens as .parquet.")],
    kafka: KafkaServers = None,
    speed: Annotated[str, typer.Option(metavar="N|max", help="Times faster than it happened.")] = "max",
    rate: Annotated[float | None, typer.Option(metavar="EVENTS_PER_S", help="A steady rate instead.")] = None,
    skip: Annotated[int, typer.Option(min=0, help="Pass over this many events first.")] = 0,
    limit: Annotated[int | None, typer.Option(min=1, help="Publish at most this many.")] = None,
    shift_to_now: Annotated[
        bool, typer.Option("--shift-to-now", help="Move all times by one constant, so that the log ends now.")
    ] = False,
    shift_ms: Annotated[int, typer.Option(help="Move all times by this much; to go on with a shifted replay.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object as the last line of stdout.")] = False,
) -> None:
    """Publish a file of listens in event-time order to musicrec.listens.v1 and wait for every acknowledgement.

    Ctrl-C stops it and says how to go on.  Keys of --json: delivered, seconds, events_per_s, stopped, and next_skip and
    shift_ms, which a further run takes to go on.
    """
    times = _speed(speed)
    if rate is not None and times is not None:
        raise BadInput("give --speed or --rate, not both")
    if shift_to_now:
        span = time_span_ms(file, skip=skip, limit=limit)
        shift_ms = 0 if span is None else shift_to_now_ms(*span, time.time_ns() // 1_000_000, times)
    settings = kafka_settings(kafka) or load_settings().kafka
    total = max(0, count_log(file) - skip)
    total = total if limit is None else min(total, limit)
    go_on = _GoOn(skip, shift_ms)
    try:
        report = asyncio.run(_publish(file, settings, times, rate, limit, total, go_on))
    except Unavailable as error:
        raise Unavailable(f"{error}; go on with {go_on}") from error
    _say(report, go_on, as_json)
    if report.stopped:
        raise typer.Exit(INTERRUPTED)


class _GoOn:
    """The options with which a further run goes on."""

    def __init__(self, skip: int, shift_ms: int) -> None:
        self.first = skip
        self.skip = skip
        self.shift_ms = shift_ms

    def __str__(self) -> str:
        return f"--skip {self.skip}" + (f" --shift-ms {self.shift_ms}" if self.shift_ms else "")


async def _publish(
    file: Path,
    kafka: KafkaSettings,
    speed: float | None,
    rate: float | None,
    limit: int | None,
    total: int,
    go_on: _GoOn,
) -> ReplayReport:
    events: Iterator[ListenEvent] = islice(read_log(file), go_on.first, None if limit is None else go_on.first + limit)
    if go_on.shift_ms:
        events = shifted(events, go_on.shift_ms)
    producer = replay_producer(kafka)
    try:
        await _start(producer, kafka)
        with stopped_by_signals() as stop, _progress_bar(total) as bar:

            def on_progress(delivered: int, last_ms: int) -> None:
                go_on.skip = go_on.first + delivered
                bar.update(bar.task_ids[0], completed=delivered, day=time.strftime("%F", time.gmtime(last_ms / 1_000)))

            return await replay(events, producer, speed=speed, rate_per_s=rate, on_progress=on_progress, stop=stop)
    finally:
        await producer.stop()


async def _start(producer: Any, kafka: KafkaSettings) -> None:
    await check_access(kafka, [KafkaRule(Resource.TOPIC, LISTENS.name, Operation.WRITE)])
    try:
        await producer.start()
    except (KafkaError, OSError) as error:
        raise Unavailable(f"Kafka at {kafka.bootstrap_servers} does not answer: {error!r}") from error


@contextmanager
def _progress_bar(total: int) -> Iterator[Progress]:
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[day]}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        bar.add_task("", total=total, day="")
        yield bar


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise BadInput(f"--speed {text}: a positive number or max is needed")
    return speed


def _say(report: ReplayReport, go_on: _GoOn, as_json: bool) -> None:
    console = Console(file=sys.stderr, highlight=False, soft_wrap=True, markup=False)
    rate = f"{report.events_per_s:,.0f} a second"
    console.print(f"{report.delivered:,} events delivered in {report.elapsed_s:.1f} s, {rate}")
    if report.stopped:
        console.print(f"stopped; go on with {go_on}")
    if as_json:
        result = {
            "delivered": report.delivered,
            "seconds": round(report.elapsed_s, 3),
            "events_per_s": round(report.events_per_s, 1),
            "stopped": report.stopped,
            "next_skip": go_on.skip,
            "shift_ms": go_on.shift_ms,
        }
        print(json.dumps(result))
