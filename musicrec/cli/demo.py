"""`musicrec demo`: the main job on this machine."""

import asyncio
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from musicrec.cli.connection import KafkaServers, RedisUrl, kafka_settings, redis_settings
from musicrec.errors import BadInput

if TYPE_CHECKING:
    from musicrec.contracts import ListenEvent, Track

DEFAULT_DATA_DIR = Path(".data")
LOG_RATE_PER_S = 50.0


def command(
    events: Annotated[int | None, typer.Option(min=1, help="End after so many events, with a summary.")] = None,
    listeners: Annotated[int, typer.Option(min=1, help="Size of the invented audience.")] = 3_000,
    seed: Annotated[int, typer.Option(help="The invented music and audience are a function of it.")] = 0,
    log: Annotated[Path | None, typer.Option(help="Play this listening log (.jsonl, .parquet) instead.")] = None,
    audio: Annotated[Path | None, typer.Option(help="Embed the audio files of this folder instead.")] = None,
    rate: Annotated[
        float | None,
        typer.Option(min=0.1, help="Events per second, of a log 50; an invented audience gets the size for it."),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the live page, if it is free.")] = 8400,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of all data; .data, for a log a temporary one.")] = None,
    kafka: KafkaServers = None,
    redis: RedisUrl = None,
) -> None:
    """Start everything and show it: real Kafka, Valkey, agents and page; events in, recommendations out.

    Without --log and --audio, both the audience and the music are invented and say nothing about quality.  Ctrl-C ends
    every process that was started.
    """
    from musicrec.local.free_port import LOOPBACK, free_port

    page_port = free_port(port)
    typer.echo(f"live page: http://{LOOPBACK}:{page_port}")
    with asyncio.Runner() as runner:
        status = runner.run(
            _run(
                events=events,
                listeners=listeners,
                seed=seed,
                log=log,
                audio=audio,
                rate=rate,
                page_port=page_port,
                data_dir=data_dir,
                kafka=kafka,
                redis=redis,
            )
        )
    raise typer.Exit(status)


async def _run(
    *,
    events: int | None,
    listeners: int,
    seed: int,
    log: Path | None,
    audio: Path | None,
    rate: float | None,
    page_port: int,
    data_dir: Path | None,
    kafka: str | None,
    redis: str | None,
) -> int:
    from musicrec.demo import Audience, generate_tracks, write_audio
    from musicrec.demo.audience import EVENTS_PER_LISTENER_S
    from musicrec.demo.audio_folder import tracks_of
    from musicrec.demo.show import Show, ShowPlan

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        if data_dir is None and log is not None:
            # A log shifted to now would lie behind the listeners' newest events of an earlier run.
            data_dir = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="musicrec-demo-")))
        folder = data_dir or DEFAULT_DATA_DIR
        now_ms = time.time_ns() // 1_000_000
        catalogue = tuple(tracks_of(audio)) if audio is not None else generate_tracks(seed, now_ms=now_ms)
        audio_root = audio if audio is not None else folder / "audio"
        audio_root.mkdir(parents=True, exist_ok=True)  # the embedder starts before the first piece is rendered

        def tracks() -> Iterator["Track"]:
            return iter(catalogue) if audio is not None else write_audio(audio_root, catalogue)

        if log is None and rate is not None:
            # It lives in real time: published faster than it lives, its events would lie in the future, and be refused.
            listeners, rate = max(1, round(rate / EVENTS_PER_LISTENER_S)), None
        if log is None:
            typer.echo("the audience is invented" + ("" if audio is not None else ", and so is the music"))
        audience = (
            Audience(catalogue, listeners=listeners, seed=seed).events(now_ms) if log is None else _log(log, events)
        )
        plan = ShowPlan(
            data_dir=folder,
            audio_root=audio_root,
            catalogue=catalogue,
            tracks=tracks,
            events=audience,
            limit=events,
            rate_per_s=rate if rate is not None or log is None else LOG_RATE_PER_S,
            kafka=kafka_settings(kafka),
            redis=redis_settings(redis),
            page_port=page_port,
        )
        show = Show(plan, lambda line: print(line, flush=True), stop)
        return await show.run()


def _log(path: Path, limit: int | None) -> Iterable["ListenEvent"]:
    """Return the log's events, shifted so that the last one happens now."""
    from musicrec.importers.log_file import read_log, time_span_ms
    from musicrec.replay import shift_to_now_ms, shifted

    span = time_span_ms(path, limit=limit)
    if span is None:
        raise BadInput(f"{path}: no events")
    print(f"reading {path}", file=sys.stderr)
    return shifted(read_log(path), shift_to_now_ms(*span, time.time_ns() // 1_000_000, None))
