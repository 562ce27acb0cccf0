"""`musicrec evaluate audio`: same-label precision of the audio vectors, and what classifiers make of them."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import Progress, track
from rich.table import Table

from musicrec.errors import Incompatible
from musicrec.evaluation.audio import LabelledClips, chance_precision, precision_at_k, read_labels, standardise

if TYPE_CHECKING:
    from musicrec.evaluation.clip_features import ClipFeatures


def command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of audio files.")],
    labels: Annotated[Path, typer.Option(help="Tab-separated table; its `file` column names a clip in DIR.")],
    label: Annotated[str, typer.Option(help="Column of the table that holds the label.")],
    group: Annotated[
        str | None, typer.Option(help="Column of what is kept together in a split: the soundtrack, the artist.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Weights (.safetensors); those of the package if not given.")
    ] = None,
    probe: Annotated[bool, typer.Option("--probe", help="Also train classifiers; takes minutes.")] = False,
    repeats: Annotated[int, typer.Option(min=1, help="Times that the classifiers are asked about every clip.")] = 5,
    picture: Annotated[
        Path | None, typer.Option(help="With --probe: draw which labels are taken for which (.svg).")
    ] = None,
    work: Annotated[Path, typer.Option(help="Folder of what was computed of a clip; a second run reads it.")] = Path(
        ".data/evaluate-audio"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Embed all labelled clips and count how many of the five nearest others of each have its label.

    Beside musicrec: mfcc, the means, deviations and delta deviations of 20 MFCC; mfcc-spectral, with those of spectral
    contrast, chroma and centroid; descriptors, what musicrec computes without a network. All three are standardised
    over these clips. By cosine, ties against us. Rows with an empty label are left out and counted.

    --probe trains logistic regression, an SVM and an MLP on mfcc, descriptors and vectors (extra `bench`), tuned within
    what is learned; "chosen" is of each fold the one that validated best there. Splits: by track; by group, where a
    column is named, of the labels that several groups have; and, of segments, by track and at random: the last is
    leaky, and here to be seen. Five folds, repeated.

    JSON keys: models ▸ musicrec | mfcc | mfcc-spectral | descriptors ▸ precision@5; chance_precision (of neighbours
    drawn at random), clips, labels, left_out, model_version; probes ▸ split ▸ mfcc | descriptors | vectors ▸ logistic |
    svm | mlp | chosen ▸ accuracy, precision, recall, f1 (the last three are means over the labels).
    """
    from embedder.encoder import AudioEncoder
    from musicrec.evaluation.clip_features import read_features

    clips = read_labels(folder, labels, label, group)
    encoder = AudioEncoder.load(weights)
    features = read_features(track(clips.paths, "clips", console=Console(stderr=True)), encoder, work)
    figures = {**precisions(clips, features), "model_version": encoder.model_version}
    if probe:
        figures["probes"] = probes_of(clips, features, repeats, picture, work)
    if as_json:
        print(json.dumps(figures))
        return
    Console().print(_table(label, figures))
    if probe:
        Console().print(_probe_table(label, figures["probes"]))


def precisions(clips: LabelledClips, features: "ClipFeatures") -> dict[str, Any]:
    """Return precision@5 by model, and of how many clips."""
    rows = {
        "musicrec": features.vectors,
        "mfcc": standardise(features.mfcc),
        "mfcc-spectral": standardise(np.hstack((features.mfcc, features.spectral))),
        "descriptors": standardise(features.descriptors).clip(-4, 4),
    }
    return {
        "models": {name: {"precision@5": precision_at_k(x, clips.labels)} for name, x in rows.items()},
        "chance_precision": chance_precision(clips.labels),
        "clips": len(clips.paths),
        "labels": len(set(clips.labels)),
        "left_out": clips.left_out,
    }


def probes_of(
    clips: LabelledClips, features: "ClipFeatures", repeats: int, picture: Path | None, work: Path
) -> dict[str, Any]:
    """Return the probes by split, features and classifier; draw the confusion where a picture is named.

    Raises:
        Incompatible: scikit-learn or matplotlib is missing.
    """
    try:
        import sklearn  # noqa: F401
    except ModuleNotFoundError:
        raise Incompatible("--probe needs scikit-learn: pip install 'musicrec[bench]'") from None
    from musicrec.evaluation.audio_probes import draw_confusion, figures_of, probe_splits
    from musicrec.evaluation.audio_splits import FOLDS, Split

    sets = 3 * (2 if clips.groups else 1) + 4
    with Progress(console=Console(stderr=True)) as progress:
        bar = progress.add_task("probes", total=sets * repeats * FOLDS)
        probes = probe_splits(
            features, clips.labels, clips.groups, repeats=repeats, work=work, on_fold=lambda: progress.advance(bar)
        )
    if picture is not None:
        draw_confusion(probes[Split.TRACK.value], picture)
    return figures_of(probes)


def _table(label: str, figures: dict[str, Any]) -> Table:
    table = Table(title=f"Nearest five of the same {label}")
    table.add_column("model")
    table.add_column("precision@5", justify="right")
    for name, row in figures["models"].items():
        table.add_row(name, f"{row['precision@5']:.4f}")
    table.add_row("at random", f"{figures['chance_precision']:.4f}")
    table.caption = f"{figures['clips']} clips, {figures['labels']} labels, {figures['left_out']} without one"
    return table


def _probe_table(label: str, probes: dict[str, Any]) -> Table:
    table = Table(title=f"What classifiers tell of the {label}")
    for column in ("split", "features", "classifier", "accuracy", "precision", "recall", "F1"):
        table.add_column(column, justify="left" if column in ("split", "features", "classifier") else "right")
    for split, by_features in probes.items():
        for features, by_classifier in by_features.items():
            for classifier, row in by_classifier.items():
                table.add_row(split, features, classifier, *(f"{value:.4f}" for value in row.values()))
        table.add_section()
    return table
