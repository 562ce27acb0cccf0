"""`musicrec evaluate audio`: same-label precision of the audio vectors."""

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from musicrec.evaluation.audio import LabelledClips, chance_precision, precision_at_k, read_labels, standardise


def command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of audio files.")],
    labels: Annotated[Path, typer.Option(help="Tab-separated table; its `file` column names a clip in DIR.")],
    label: Annotated[str, typer.Option(help="Column of the table that holds the label.")],
    weights: Annotated[
        Path | None, typer.Option(help="Weights (.safetensors); those of the package if not given.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Embed all labelled clips and count how many of the five nearest others of each have its label.

    Beside musicrec: mfcc, the means, deviations and delta deviations of 20 MFCC, standardised over these clips.  Both
    by cosine, ties against us.  Rows with an empty label are left out and counted.

    JSON keys: models ▸ musicrec | mfcc ▸ precision@5; chance_precision (of neighbours drawn at random), clips, labels,
    left_out, model_version.
    """
    clips = read_labels(folder, labels, label)
    figures = _measure(clips, weights)
    if as_json:
        print(json.dumps(figures))
    else:
        Console().print(_table(label, figures))


def _measure(clips: LabelledClips, weights: Path | None) -> dict[str, Any]:
    from embedder.audio_file import read_mono
    from embedder.encoder import AudioEncoder
    from embedder.mfcc import mfcc_statistics

    encoder = AudioEncoder.load(weights)
    ours, mfcc = [], []
    for path in track(clips.paths, "clips", console=Console(stderr=True)):
        pcm = read_mono(path)
        ours.append(encoder.embed([pcm])[0].vector)
        mfcc.append(mfcc_statistics(pcm))
    return {
        "models": {
            "musicrec": {"precision@5": precision_at_k(np.stack(ours), clips.labels)},
            "mfcc": {"precision@5": precision_at_k(standardise(np.stack(mfcc)), clips.labels)},
        },
        "chance_precision": chance_precision(clips.labels),
        "clips": len(clips.paths),
        "labels": len(set(clips.labels)),
        "left_out": clips.left_out,
        "model_version": encoder.model_version,
    }


def _table(label: str, figures: dict[str, Any]) -> Table:
    table = Table(title=f"Nearest five of the same {label}")
    table.add_column("model")
    table.add_column("precision@5", justify="right")
    for name, row in figures["models"].items():
        table.add_row(name, f"{row['precision@5']:.4f}")
    table.add_row("at random", f"{figures['chance_precision']:.4f}")
    table.caption = f"{figures['clips']} clips, {figures['labels']} labels, {figures['left_out']} without one"
    return table
