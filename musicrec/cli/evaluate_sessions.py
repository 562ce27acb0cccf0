"""`musicrec evaluate sessions`: train on text sessions, test on prefixes."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from musicrec.errors import BadInput
from musicrec.evaluation.baselines import FOR_TEXT_SESSIONS, USUAL, chosen
from musicrec.evaluation.report import models_table
from musicrec.evaluation.text_sessions import evaluate_text_sessions, read_text_sessions, validation_cases
from musicrec.recommend import RankingSettings, Recommender
from musicrec.sequence.encoder_loading import load_encoders


def command(
    train: Annotated[Path, typer.Option(help="Sessions to learn: a line of track numbers each, plain or .gz.")],
    test: Annotated[
        Path | None, typer.Option(help="Cases: a line of track numbers each, the last one the target.")
    ] = None,
    validation: Annotated[
        int | None, typer.Option(min=1, help="In place of a test: the newest so many sessions of TRAIN, not learned.")
    ] = None,
    learn_lag: Annotated[
        int | None, typer.Option(min=0, help="Learn a tested session once so many later ones have ended.")
    ] = None,
    encoder: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of a trained session encoder; the one speaks that saw most before a case."),
    ] = None,
    baselines: Annotated[
        str, typer.Option(help=f"What stands beside musicrec: {', '.join(FOR_TEXT_SESSIONS)}, or all (but sasrec).")
    ] = ",".join(USUAL),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Learn all sessions of one file, then guess the last track of every line of another.

    Nothing more is learned unless --learn-lag says so: then every model goes on learning, on the same schedule.  The
    cases of a session stand together, the longest first.  The settings are those for text sessions: no session track is
    excluded, as the public protocol has it.  Settings are chosen on --validation, never on a test.  The factors of svd
    and als are built anew after every 50,000 plays, from what was learned by then; sasrec is trained once, on all of
    TRAIN, and stays frozen.

    JSON keys: models ▸ musicrec and each baseline ▸ all | repeat | new | unheard | early ▸ events, hr@20, mrr@20; and
    coverage@20, popularity@20, p50_ms, p99_ms per model; musicrec_above ▸ hr@20, mrr@20 ▸ 95 % interval of the
    difference over sessions, per baseline.  "repeat": the prefix holds the target; "early": it is one track.
    "coverage@20": share of the known tracks that were ever listed; "popularity@20": mean over lists, and over the
    tracks in each, of its plays so far divided by those of the most played track.  artist_diversity@20 and
    hr_completed_minus_skipped are null: the format has neither artists nor skips.
    """
    if (test is None) == (validation is None):
        raise BadInput("evaluate sessions: give either --test or --validation")
    if test is not None:
        lessons, cases = read_text_sessions(train), read_text_sessions(test)
        title = "Last track of each line"
    else:
        kept, cut_off = validation_cases(list(read_text_sessions(train)), validation or 0)
        lessons, cases = iter(kept), iter(cut_off)
        title = "Every track of the newest training sessions"
    figures = evaluate_text_sessions(
        Recommender(RankingSettings.for_text_sessions(), encoders=load_encoders(encoder)),
        lessons,
        cases,
        baselines=chosen(FOR_TEXT_SESSIONS, baselines),
        learn_lag=learn_lag,
    )
    if as_json:
        print(json.dumps(figures))
    else:
        Console().print(models_table(title, figures))
