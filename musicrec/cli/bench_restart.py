"""`musicrec bench restart`."""

import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from streams.restart_bench import RestartReport


def command(
    sessions: Annotated[int, typer.Option(min=1_000, help="Sessions in memory, about 15 plays each.")] = 1_000_000,
    tracks: Annotated[int, typer.Option(min=1_000, help="Tracks in the catalogue.")] = 380_000,
    vectors: Annotated[int, typer.Option(min=1_000, help="Vectors in the index, of 192 components.")] = 1_000_000,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object as the last line.")] = False,
) -> None:
    """Time a ranking worker from the start of its process until it is ready, with a full memory on disk.

    The memory is learned first, from a generated stream: at a million sessions that takes a quarter of an hour.

    JSON keys: ours ▸ ready_s, cpu_s, rss_mb (the median of three starts), sessions, listeners, tracks, vectors, copy_s
    (all that was learned, copied for a snapshot), ranking_mb, index_mb (on disk); empty ▸ ready_s, cpu_s, rss_mb.
    """
    from musicrec.local import EmbeddedStack
    from streams.restart_bench import measure_restart
    from streams.topic_admin import create_missing_topics

    async def measure(folder: Path) -> "RestartReport":
        async with EmbeddedStack(folder / "stack") as stack:
            await create_missing_topics(stack.addresses.kafka)
            return await measure_restart(
                stack.addresses,
                folder,
                sessions=sessions,
                tracks=tracks,
                vectors=vectors,
                progress=lambda text: print(text, file=sys.stderr, flush=True),
            )

    with tempfile.TemporaryDirectory(prefix="musicrec-bench-") as folder:
        figures = _figures(asyncio.run(measure(Path(folder))))
    ours, empty = figures["ours"], figures["empty"]
    typer.echo(f"ready after {ours['ready_s']:.1f} s ({ours['cpu_s']:.1f} s of CPU), {ours['rss_mb']} MB in memory")
    typer.echo(f"with nothing to load: {empty['ready_s']:.1f} s ({empty['cpu_s']:.1f} s), {empty['rss_mb']} MB")
    typer.echo(f"on disk: {ours['ranking_mb']} MB learned, {ours['index_mb']} MB of vectors")
    if as_json:
        typer.echo(json.dumps(figures))


def _figures(report: "RestartReport") -> dict[str, Any]:
    starts = {
        name: {"ready_s": round(start.ready_s, 2), "cpu_s": round(start.cpu_s, 2), "rss_mb": round(start.rss_mb)}
        for name, start in (("ours", report.ours), ("empty", report.empty))
    }
    more = {"vectors": report.vectors, "copy_s": round(report.copy_s, 2)}
    sizes = {"ranking_mb": round(report.ranking_mb), "index_mb": round(report.index_mb)}
    return starts | {"ours": starts["ours"] | dict(report.counts) | more | sizes}
