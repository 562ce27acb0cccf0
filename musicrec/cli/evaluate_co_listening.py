"""`musicrec evaluate co-listening`: does the sound of an unplayed track find the company that it will have?"""

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from musicrec.evaluation.audio import read_labels
from musicrec.evaluation.lent_sounds import lend
from musicrec.evaluation.listening_log import read_log

FOLDS = 2
SEED = 1


def command(
    log: Annotated[Path, typer.Argument(help="A listening log, .parquet or .jsonl.")],
    clips: Annotated[Path, typer.Option(help="Folder of audio files, which are lent to tracks of LOG.")],
    labels: Annotated[Path, typer.Option(help="Tab-separated table; its `file` column names a clip.")],
    label: Annotated[str, typer.Option(help="Column that says which clips belong together, as an artist's do.")],
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many events of LOG.")] = None,
    work: Annotated[Path, typer.Option(help="Folder of what was analysed; a second run reads it.")] = Path(
        ".data/evaluate-audio"
    ),
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Lend real sounds to the most played artists of a real log, teach vectors by it, ask for company to come.

    Half of each artist's tracks are held out, once each half.  Vectors are taught by the sessions of the first half of
    the log, without them; each is asked for the played tracks with which it shares sessions of the second half more
    often than by chance: which share of them (of 20 at most) is among its nearest 20 played tracks?

    JSON keys: models ▸ musicrec (weights of the package) | adapted (to the sounds of the played tracks) | taught
    (those, taught by the log) | chance ▸ recall@20; cases, tracks.
    """
    import torch

    torch.set_num_threads(threads)
    figures = _measure(log, clips, labels, label, limit, work)
    if as_json:
        print(json.dumps(figures))
        return
    table = Table(title="Company of tracks that nobody has played, by sound")
    table.add_column("vectors")
    table.add_column("recall@20", justify="right")
    for name, row in figures["models"].items():
        table.add_row(name, f"{row['recall@20']:.4f}")
    table.caption = f"{figures['cases']} cases, {figures['tracks']} tracks"
    Console().print(table)


def _measure(log: Path, clips: Path, labels: Path, label: str, limit: int | None, work: Path) -> dict[str, Any]:
    import torch

    from embedder.checkpoint import load_weights, shipped_weights
    from embedder.training.adaptation import AdaptationSettings, adapt
    from embedder.training.catalogue import read_catalogue
    from embedder.training.co_listening import TeachingSettings, teach
    from embedder.training.placing import heard_segments, place_tracks
    from musicrec.evaluation.co_listening import CompanyTrial

    console = Console(stderr=True)
    lender = read_labels(clips, labels, label)
    analysed = read_catalogue(track(lender.paths, "clips", console=console), work)
    label_of = dict(zip((path.as_posix() for path in lender.paths), lender.labels, strict=True))
    lent = lend(list(read_log(log, limit)), [label_of[name] for name in analysed.names], SEED)
    recalls: dict[str, list[float]] = {"musicrec": [], "adapted": [], "taught": []}
    chance = []
    for fold in track(range(FOLDS), "folds", console=console):
        trial = CompanyTrial.of(lent, fold, SEED)
        everything = analysed.chosen([lent.clip_of[name] for name in trial.tracks])
        played = everything.chosen(trial.played.tolist())
        network, manifest = load_weights(shipped_weights(), torch.device("cpu"))
        # The convolutions stay, and so does what they hear.
        heard = heard_segments(network, everything.images)
        of_played = heard[np.isin(everything.track_of, trial.played)]
        recalls["musicrec"] += trial.recalls(place_tracks(network, everything, heard))
        version = manifest.model_version
        adapt(network, played, AdaptationSettings(), work, model_version=version, heard=of_played)
        recalls["adapted"] += trial.recalls(place_tracks(network, everything, heard))
        teach(network, played, trial.taught, TeachingSettings(), of_played)
        recalls["taught"] += trial.recalls(place_tracks(network, everything, heard))
        chance.append(trial.chance())
    return {
        "models": {
            **{name: {"recall@20": float(np.mean(each))} for name, each in recalls.items()},
            "chance": {"recall@20": float(np.mean(chance))},
        },
        "cases": len(recalls["musicrec"]),
        "tracks": len(lent.clip_of),
    }
