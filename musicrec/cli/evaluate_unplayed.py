"""`musicrec evaluate unplayed`: are tracks that nobody has played found by artist, sound and description?"""

import json
import tempfile
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from musicrec.evaluation.audio import read_labels
from musicrec.evaluation.lent_sounds import lend, recall_at
from musicrec.evaluation.listening_log import read_log
from musicrec.evaluation.unplayed import LISTED, Ranks, Trial

FOLDS = 2
SEED = 1


def command(
    log: Annotated[Path, typer.Argument(help="A listening log, .parquet or .jsonl.")],
    clips: Annotated[Path, typer.Option(help="Folder of audio files, which are lent to tracks of LOG.")],
    labels: Annotated[Path, typer.Option(help="Tab-separated table; its `file` column names a clip.")],
    label: Annotated[str, typer.Option(help="Column that says which clips belong together, as an artist's do.")],
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many events of LOG.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Lend real sounds to the most played artists of a real log, and ask for tracks that nobody ever played.

    Half of each artist's tracks are held out, once each half: the catalogue and the audio index know them, and their
    plays are learned by nobody.  An encoder is trained on the first half of the log.  Each later play of a track that
    is held out, after another track in its session, is a case: is it among the first 20?

    JSON keys: models ▸ musicrec | musicrec-described | encoder | encoder-artist | encoder-sound | audio-knn |
    audio-knn-current | description-knn | description-knn-itself | chance ▸ unplayed (among the tracks that are held
    out) | all (among all tracks) ▸ recall@20; cases, tracks, held_out, plays.
    "musicrec-described": with a catalogue that says of each track what the table says of its clip, `title` and `genre`
    where it has these columns, and the label as the album.
    "encoder": by where the encoder places a track, by artist and sound; "encoder-artist", "encoder-sound": by one of
    them; "audio-knn": by a sound's cosine with the mean of the five newest that were not skipped, "audio-knn-current"
    with the newest of them; "description-knn": by the cosine of the descriptions with that of the session,
    "description-knn-itself" without the album, which in this trial is as good as the artist's name.
    """
    console = Console(stderr=True)
    lender = read_labels(clips, labels, label)
    sounds, version = _embedded(lender.paths, console)
    lent = lend(list(read_log(log, limit)), lender.labels, SEED)
    ranks: dict[str, Ranks] = {}
    for fold in range(FOLDS):
        trial = Trial(lent, lent.held_out(fold, SEED), sounds, version, lender)
        with tempfile.TemporaryDirectory() as work:
            found = trial.ranks(Path(work), partial(track, description=f"fold {fold + 1}", console=console))
        for name, of_model in found.items():
            for among, these in of_model.items():
                ranks.setdefault(name, {}).setdefault(among, []).extend(these)
    held_out = len(lent.held_out(0, SEED))
    models = {
        name: {among: {"recall@20": recall_at(found, LISTED)} for among, found in of_model.items()}
        for name, of_model in ranks.items()
    }
    models["chance"] = {
        among: {"recall@20": min(1.0, LISTED / many)}
        for among, many in (("unplayed", held_out), ("all", len(lent.clip_of)))
    }
    figures = {
        "models": models,
        "cases": len(ranks["musicrec"]["all"]),
        "tracks": len(lent.clip_of),
        "held_out": held_out,
        "plays": len(lent.events),
    }
    if as_json:
        print(json.dumps(figures))
    else:
        Console().print(_table(figures))


def _embedded(paths: tuple[Path, ...], console: Console) -> tuple[np.ndarray[Any, np.dtype[np.float32]], str]:
    from embedder.audio_file import read_mono
    from embedder.encoder import AudioEncoder

    encoder = AudioEncoder.load(None)
    vectors = [encoder.embed([read_mono(path)])[0].vector for path in track(paths, "clips", console=console)]
    return np.stack(vectors).astype(np.float32), encoder.model_version


def _table(figures: dict[str, Any]) -> Table:
    table = Table(title="Plays of tracks that nobody had played: share among the first 20")
    for column in ("model", "of the unplayed", "of all tracks"):
        table.add_column(column, justify="left" if column == "model" else "right")
    for name, row in figures["models"].items():
        table.add_row(name, *(f"{row[among]['recall@20']:.4f}" for among in ("unplayed", "all")))
    table.caption = (
        f"{figures['cases']} cases in {figures['plays']} plays of {figures['tracks']} tracks, {figures['held_out']} of "
        "them held out"
    )
    return table
