"""`musicrec diff`: what another configuration of the ranking would have changed."""

import json
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from musicrec.cli.play_progress import counted, play_progress
from musicrec.errors import BadInput
from musicrec.evaluation.comparison import Comparison, Side
from musicrec.evaluation.comparison_report import example_lines, hits_table, sources_table, summary_lines
from musicrec.evaluation.listening_log import read_log
from musicrec.evaluation.prequential import PrequentialPass
from musicrec.evaluation.ranking_file import RankingConfiguration, read_configuration
from musicrec.recommend import Recommender
from musicrec.sequence.encoder_loading import load_encoders

CONFIGURATION = "TOML file with settings of the ranking, and encoder = [folders, relative to it]; or the word default."


def command(
    a: Annotated[str, typer.Argument(metavar="A", help=CONFIGURATION)],
    b: Annotated[str, typer.Argument(metavar="B", help="Likewise.")],
    log: Annotated[Path, typer.Option(help="Parquet or .jsonl, as `musicrec evaluate stream` reads it.")],
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many events of the log.")] = None,
    unscored: Annotated[int, typer.Option(min=0, help="The first so many events are learned, no lists compared.")] = 0,
    examples: Annotated[int, typer.Option(min=0, help="Changed lists to show, of each kind.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Replay a log through two configurations of the ranking and say how their lists differ.

    Both learn every play and make the list before it.  The same settings make the same lists to the last byte, here
    and in any other process on this kind of processor: lists_digest tells.

    JSON keys: a, b ▸ name, model_version, groups ▸ all | repeat | new | completed | skipped ▸ events, hr@20, mrr@20;
    sources ▸ strongest, proposed (shares of listed items), new@20 (share of listed items that the listener never
    played), p50_ms, p99_ms, lists_digest; and lists (how many were compared), listeners, differ, differ_first,
    other_tracks (shares of lists), overlap@20, b_above_a ▸ group ▸ hr@20, mrr@20 ▸ difference, interval (95 %, over
    listeners), examples ▸ kind (found, lost, other), user_id, session_id, answered_event_id, played_track_id,
    place_in_a, place_in_b, change ▸ left, came_in, moved.
    """
    comparison = Comparison(_side(read_configuration(a)), _side(read_configuration(b)), examples=examples)
    walk = PrequentialPass(comparison)
    with play_progress() as progress:
        events = read_log(log, limit)
        walk.warm_up(counted(islice(events, unscored), progress, "learned only"))
        walk.score(counted(events, progress, "compared"))
    figures = comparison.figures()
    if as_json:
        print(json.dumps(figures))
        return
    console = Console(markup=False, highlight=False, emoji=False, soft_wrap=True)
    for line in summary_lines(figures):
        console.print(line)
    console.print(hits_table(figures))
    console.print(sources_table(figures))
    for example in figures["examples"]:
        for line in example_lines(example):
            console.print(line)


def _side(configuration: RankingConfiguration) -> Side:
    encoders = load_encoders(configuration.encoders)
    # As a ranking worker names it.
    version = "+".join([configuration.settings.version(), *(encoder.version for encoder in encoders)])
    try:
        return Side(configuration.name, Recommender(configuration.settings, encoders=encoders), version)
    except (MemoryError, ValueError):  # NumPy's word for an array beyond any memory
        raise BadInput(
            f"{configuration.name}: the ranking does not fit into memory; smaller max_sessions, session_row_length or "
            "candidates_per_source are needed"
        ) from None
