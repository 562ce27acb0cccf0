"""`musicrec bench rank`: how long one list takes."""

import json
import time
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from musicrec.evaluation.synthetic_stream import StreamShape, synthetic_catalogue, synthetic_snapshots
from musicrec.recommend import Recommender

WARM_UP_LISTS = 200
"""Lists made before the clock starts, so that kernels are loaded and arrays have their size."""


def command(
    plays: Annotated[int, typer.Option(min=1_000, help="Plays learned before and while lists are made.")] = 1_000_000,
    tracks: Annotated[int, typer.Option(min=1_000, help="Tracks in the catalogue.")] = 380_000,
    lists: Annotated[int, typer.Option(min=100, help="Lists to measure.")] = 5_000,
    described: Annotated[
        bool, typer.Option("--described", help="Tracks have titles, albums, labels and tags.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Learn a generated stream and time the lists for its last plays: candidates, fusion, ranker, records of 20 items.

    JSON keys: ours ▸ p50_ms, p99_ms (one list), tracks (catalogue size), learn_p50_us and learn_mean_us (one play
    learned, ranker lessons included), plays.
    """
    recommender = Recommender()
    for track in synthetic_catalogue(tracks, described=described):
        recommender.add_track(track)
    list_s: list[float] = []
    learn_s: list[float] = []
    first_listed = plays - lists - WARM_UP_LISTS
    for number, snapshot in enumerate(synthetic_snapshots(StreamShape(plays=plays, tracks=tracks))):
        started_s = time.perf_counter()
        recommender.learn(snapshot)
        learned_s = time.perf_counter()
        if number < first_listed:
            continue
        recommender.rank(snapshot)
        if number >= first_listed + WARM_UP_LISTS:
            list_s.append(time.perf_counter() - learned_s)
            learn_s.append(learned_s - started_s)
    ours = {
        "p50_ms": round(float(np.percentile(list_s, 50)) * 1e3, 4),
        "p99_ms": round(float(np.percentile(list_s, 99)) * 1e3, 4),
        "tracks": len(recommender.knowledge.catalogue),
        "learn_p50_us": round(float(np.percentile(learn_s, 50)) * 1e6, 2),
        "learn_mean_us": round(float(np.mean(learn_s)) * 1e6, 2),
        "plays": plays,
    }
    if as_json:
        print(json.dumps({"ours": ours}))
        return
    table = Table(title="One list of 20 from a running session")
    for column in ("tracks", "plays learned", "p50 ms", "p99 ms", "learn p50 µs", "learn mean µs"):
        table.add_column(column, justify="right")
    table.add_row(
        f"{ours['tracks']:,}",
        f"{plays:,}",
        f"{ours['p50_ms']:.3f}",
        f"{ours['p99_ms']:.3f}",
        f"{ours['learn_p50_us']:.1f}",
        f"{ours['learn_mean_us']:.1f}",
    )
    Console().print(table)
