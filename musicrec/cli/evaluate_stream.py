"""`musicrec evaluate stream`: test, then train, over a listening log."""

import json
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from musicrec.cli.play_progress import counted, play_progress
from musicrec.co_partitioning import place_of
from musicrec.evaluation.baselines import FOR_STREAMS, USUAL, chosen
from musicrec.evaluation.listening_log import read_log
from musicrec.evaluation.prequential import PrequentialRun, announce_all
from musicrec.evaluation.report import models_table
from musicrec.evaluation.shared_learning import SharedLearning
from musicrec.ranker_files import read_ranker
from musicrec.recommend import Recommender
from musicrec.recommend.state import State, joined
from musicrec.sequence.encoder_loading import load_encoders


def command(
    file: Annotated[
        Path,
        typer.Argument(help="Parquet with user, ended_at_ms, ms_played, track, artist; or listen events as .jsonl."),
    ],
    warm_up: Annotated[Path | None, typer.Option(help="An earlier log of the same form: learned, not scored.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many events of FILE.")] = None,
    skip: Annotated[
        int, typer.Option(min=0, help="The first so many events of FILE are neither learned nor scored.")
    ] = 0,
    unscored: Annotated[
        int, typer.Option(min=0, help="So many events of FILE, those after --skip, are learned, not scored.")
    ] = 0,
    encoder: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of a trained session encoder; the one speaks that saw most before a case."),
    ] = None,
    ranker: Annotated[Path | None, typer.Option(help="Folder of a trained ranker to begin with.")] = None,
    anew: Annotated[
        bool,
        typer.Option(
            "--anew", help="With the first scored event the ranker begins anew, as a beginner or with --ranker."
        ),
    ] = False,
    first: Annotated[
        list[int] | None,
        typer.Option(min=1, help="With --json, also the figures of so many first cases; may be repeated."),
    ] = None,
    announced: Annotated[
        bool,
        typer.Option(
            "--announced", help="All tracks of FILE are in the catalogue, with their artists, before the first play."
        ),
    ] = False,
    baselines: Annotated[
        str, typer.Option(help=f"What stands beside musicrec: {', '.join(FOR_STREAMS)}, or all.")
    ] = ",".join(USUAL),
    learn_from_one_in: Annotated[
        int, typer.Option(min=1, help="musicrec learns from one listener in so many, and from those of each worker.")
    ] = 1,
    workers: Annotated[
        int, typer.Option(min=1, help="With --learn-from-one-in, ranking workers among whom the listeners are.")
    ] = 12,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Replay a listening log through the session logic and the ranking, guess each play before it is learned.

    A case is a play whose session already holds another track; the target is its track, different from the one before.
    Every model learns on the same schedule; the factors of svd and als are built anew after every 50,000 plays, from
    what was learned by then.  Where settings were chosen on the first events of a log, --unscored keeps
    these out of the figures.  A platform's catalogue knows its tracks before anybody plays them; with --announced so
    does musicrec, and may list a track that nobody played: all of FILE, not only those up to --limit.

    What a trained ranker is worth shows in the cases that come --first, with and without --ranker: after --skip to a
    worker that knows nothing, with --unscored and --anew to one that knows everything else.

    With --learn-from-one-in musicrec is as many workers as --workers says: each answers its listeners, and learns from
    them and from the share alone, as with MUSICREC_RANKING__LEARN_FROM_ONE_IN.  Baselines learn from everybody.

    JSON keys: models ▸ musicrec and each baseline ▸ all | repeat | new | unheard | early | completed | skipped ▸
    events, hr@20, mrr@20; first, a list of the same in the order of --first; and hr_completed_minus_skipped,
    coverage@20, popularity@20, artist_diversity@20, p50_ms, p99_ms per model; musicrec_above ▸ hr@20, mrr@20 ▸ 95 %
    interval of the difference over listeners, per baseline.
    "repeat": the listener had played the target before; "unheard": nobody had; "early": the session holds one track so
    far; "completed", "skipped": what became of the target.  "hr_completed_minus_skipped": hr@20 of those minus hr@20
    of these; "coverage@20": share of the known tracks that were ever listed; "popularity@20": mean over lists, and over
    the tracks in each, of its plays so far divided by those of the most played track; "artist_diversity@20": mean over
    lists of the share of pairs of tracks that are of different artists.  null: there was nothing to count.
    """
    encoders = load_encoders(encoder)
    ours = [Recommender(encoders=encoders) for _ in range(workers if learn_from_one_in > 1 else 1)]
    trained = None if ranker is None else read_ranker(ranker)
    for recommender in ours:
        if trained is not None:
            trained.teach(recommender)
        if announced:
            announce_all(recommender, read_log(file))
    beginner, beginning = State(joined(ours[0].networks_state())), ours[0].beginning
    shared = SharedLearning(ours, one_in=learn_from_one_in, place_of=lambda user_id: place_of(user_id.encode()))
    run = PrequentialRun(shared, baselines=chosen(FOR_STREAMS, baselines), firsts=first or ())
    with play_progress() as progress:
        if warm_up is not None:
            run.warm_up(counted(read_log(warm_up), progress, "warm-up"))
        events = islice(read_log(file, limit), skip, None)
        run.warm_up(counted(islice(events, unscored), progress, "learned only"))
        if anew:
            for recommender in ours:
                recommender.begin_with(beginner, beginning)
        run.score(counted(events, progress, "scored"))
    figures = run.figures()
    if as_json:
        print(json.dumps(figures))
    else:
        Console().print(models_table("Next play, test-then-train", figures))
