"""`musicrec train ranker`: what a new deployment's ranking would otherwise learn in its first weeks."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from musicrec.contracts import ListenEvent
from musicrec.errors import BadInput
from musicrec.evaluation.contest import OURS, Contest
from musicrec.evaluation.listening_log import read_log
from musicrec.evaluation.prequential import PrequentialPass
from musicrec.ranker_files import write_ranker
from musicrec.recommend import Recommender
from musicrec.sequence.encoder_loading import load_encoders


def command(
    out: Annotated[Path, typer.Argument(help="Folder to write the ranker to.")],
    log: Annotated[Path, typer.Option(help="Listening log, .parquet or .jsonl, as `evaluate stream` reads it.")],
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many events.")] = None,
    measured: Annotated[int, typer.Option(min=0, help="The newest so many events are guessed before learned.")] = 0,
    encoder: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of a trained session encoder; the one speaks that saw most before a play."),
    ] = None,
) -> None:
    """Replay a log through the ranking, so that its two small networks learn from it, and write them.

    They learn as they do live: from what was played after each list that would have been made.  Workers that know
    nothing yet begin with them (MUSICREC_RANKING__RANKER_PATH), and go on learning.
    """
    console = Console(stderr=True)
    events = _Seen(read_log(log, limit))
    total = sum(1 for _ in read_log(log, limit)) if measured else 0
    contest = Contest(Recommender(encoders=load_encoders(encoder)), {})
    one_pass = PrequentialPass(contest)
    one_pass.warm_up(events if not measured else islice(events, max(0, total - measured)))
    one_pass.score(events)
    if not events.count:
        raise BadInput(f"{log}: no event to learn from")
    figures = contest.scores[OURS].all.figures()
    manifest = write_ranker(
        out,
        contest.recommender,
        events=events.count,
        learned_from_ms=events.first_ms,
        learned_until_ms=events.last_ms,
        metrics=figures if measured else {},
    )
    console.print(f"{out}: {manifest.version}, {manifest.lessons:,} lessons of {manifest.events:,} events")
    if measured:
        console.print(f"hr@20 {figures['hr@20']:.4f}, mrr@20 {figures['mrr@20']:.4f} of {figures['events']:,} cases")


class _Seen:
    """Events as they go by, counted."""

    def __init__(self, events: Iterator[ListenEvent]) -> None:
        self._events = events
        self.count = 0
        self.first_ms = self.last_ms = 0

    def __iter__(self) -> Iterator[ListenEvent]:
        return self

    def __next__(self) -> ListenEvent:
        event = next(self._events)
        self.first_ms = self.first_ms or event.occurred_at_ms
        self.last_ms = event.occurred_at_ms
        self.count += 1
        return event
