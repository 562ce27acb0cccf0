"""`musicrec evaluate sessions`: train on text sessions, test on prefixes."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from musicrec.evaluation.report import models_table
from musicrec.evaluation.text_sessions import evaluate_text_sessions, read_text_sessions
from musicrec.recommend import RankingSettings, Recommender


def command(
    train: Annotated[Path, typer.Option(help="Sessions to learn: a line of track numbers each, plain or .gz.")],
    test: Annotated[Path, typer.Option(help="Cases: a line of track numbers each, the last one the target.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Learn all sessions of one file, then guess the last track of every line of another, learning nothing more.

    The settings are those for text sessions: no session track is excluded, as the public protocol has it.
    Beside musicrec, on the same data: popularity, markov (last track's followers), session-knn (VMIS-kNN).

    JSON keys: models ▸ musicrec | popularity | markov | session-knn ▸ all | repeat | new ▸ events, hr@20, mrr@20;
    and coverage@20, p50_ms, p99_ms per model. "repeat": the prefix holds the target.
    """
    recommender = Recommender(RankingSettings.for_text_sessions())
    figures = evaluate_text_sessions(recommender, read_text_sessions(train), read_text_sessions(test))
    if as_json:
        print(json.dumps(figures))
    else:
        Console().print(models_table("Last track of each line", figures))
