"""`musicrec train sweep`: what dimension, learning rate, model and inputs of the session encoder are worth."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from musicrec.cli.train_sequence import sessions_and_artists
from musicrec.errors import BadInput
from musicrec.sequence.model import Model

if TYPE_CHECKING:
    from musicrec.sequence.heard_session import HeardSession
    from musicrec.sequence.sweep import Choice, Swept

DIMENSIONS = (48, 96, 192, 384)
LEARNING_RATES = (1e-4, 1e-3, 2e-3, 1e-2, 1e-1)


@dataclass(frozen=True, slots=True)
class _Sessions:
    learned: Sequence["HeardSession"]
    held_out: Sequence["HeardSession"]
    artist_of: dict[str, str]


def command(
    train: Annotated[
        Path,
        typer.Argument(help="A log, .parquet or .jsonl; or a line of track numbers per session, the oldest first."),
    ],
    out: Annotated[Path, typer.Option(help="Page to write; the picture stands beside it.")] = Path(
        "docs/encoder-sweep.md"
    ),
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many events or sessions.")] = None,
    held_out: Annotated[int, typer.Option(min=1, help="The newest so many sessions are measured on.")] = 1_000,
    dimension: Annotated[list[int] | None, typer.Option(min=8, help="Components of a vector; several.")] = None,
    learning_rate: Annotated[
        list[float] | None, typer.Option(min=1e-6, help="Of the network, falling by half a cosine; several.")
    ] = None,
    usual: Annotated[int, typer.Option(help="The dimension with which models and inputs are compared.")] = 96,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over all sessions.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Of the network, the order and the negatives.")] = 1,
    work: Annotated[Path, typer.Option(help="Folder of what was found; a sweep goes on from it.")] = Path(
        ".data/train-sweep"
    ),
    jobs: Annotated[int, typer.Option(min=1, help="Trainings at a time, a core each.")] = 2,
) -> None:
    """Train an encoder per dimension and learning rate, per model, and with one input left out, and write a page.

    All are trained on the same sessions and measured on the same later ones: the network alone, over all tracks.
    """
    from musicrec.sequence.sweep import Choice, Inputs, grid
    from musicrec.sequence.sweep_document import draw_sweep, sweep_page
    from musicrec.sequence.trainer import TrainingSettings

    console = Console(stderr=True)
    base = replace(TrainingSettings(), epochs=epochs, seed=seed)
    of_grid = grid(base, dimension or DIMENSIONS, learning_rate or LEARNING_RATES)
    compared = Choice(replace(base, dimension=usual))
    rest = [Choice(replace(compared.settings, model=model)) for model in Model if model is not base.model]
    rest += [Choice(compared.settings, inputs) for inputs in Inputs if inputs is not Inputs.ALL]
    choices = list(dict.fromkeys([*of_grid, compared, *rest]))
    sessions, artist_of = sessions_and_artists(train, limit)
    if len(sessions) <= held_out:
        raise BadInput(f"{train}: {len(sessions)} sessions, and --held-out {held_out} leaves none to train on")
    given = _Sessions(sessions[:-held_out], sessions[-held_out:], artist_of)
    results: dict[Choice, Swept] = {}
    with ProcessPoolExecutor(jobs, initializer=_begin, initargs=(given,)) as pool:
        runs = {pool.submit(_run, choice, work): choice for choice in choices}
        for done in as_completed(runs):
            choice = runs[done]
            results[choice] = done.result()
            of = choice.settings
            console.print(
                f"{len(results)} of {len(choices)}: {of.model}, {of.dimension}, {of.learning_rate:g}, "
                f"{choice.inputs}: {dict(results[choice].figures)}"
            )
    out.parent.mkdir(parents=True, exist_ok=True)
    picture = out.with_suffix(".svg")
    draw_sweep(results, of_grid, picture)
    options = [f"--limit {limit}"] if limit else []
    options += [f"--held-out {held_out}", *(f"--dimension {each}" for each in dimension or ())]
    options += [*(f"--learning-rate {each:g}" for each in learning_rate or ()), f"--usual {usual}"]
    cases = results[compared].figures["cases"]
    about = (
        f"{cases:,.0f} plays in the newest {held_out:,} of {len(sessions):,} sessions of {train.name}, trained on\n"
        f"those before, {epochs} epochs, by `musicrec train sweep {train.name} {' '.join(options)}`."
    )
    ordered = {choice: results[choice] for choice in choices}
    out.write_text(sweep_page(ordered, of_grid, compared, about, picture.name), encoding="utf-8")
    console.print(f"{out}, {picture}")


_given: _Sessions | None = None
"""Of a process of the pool: sessions are sent once, not with every training."""


def _begin(given: _Sessions) -> None:
    import torch

    global _given
    _given = given
    torch.set_num_threads(1)


def _run(choice: "Choice", work: Path) -> "Swept":
    from musicrec.sequence.sweep import swept

    assert _given is not None
    return swept(choice, _given.learned, _given.held_out, _given.artist_of, work)
