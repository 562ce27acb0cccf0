"""`musicrec evaluate adaptation`: what adapting the audio network is worth on sounds that it never heard."""

import hashlib
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from musicrec.evaluation.adaptation import Vectors, unheard_precision
from musicrec.evaluation.audio import LabelledClips, precision_at_k, read_labels, standardise


def command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of audio files.")],
    labels: Annotated[Path, typer.Option(help="Tab-separated table; its `file` column names a clip in DIR.")],
    label: Annotated[str, typer.Option(help="Column of the table that holds the label.")],
    weights: Annotated[
        Path | None, typer.Option(help="Weights to begin with (.safetensors); those of the package if not given.")
    ] = None,
    work: Annotated[Path, typer.Option(help="Folder of what was analysed; a second run reads it.")] = Path(
        ".data/train-adapt"
    ),
    epochs: Annotated[int, typer.Option(min=0, help="Contrastive passes of an adaptation.")] = 0,
    repeats: Annotated[int, typer.Option(min=1, help="Ways of cutting the labels into halves.")] = 3,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Adapt to the clips of half of the labels, count the other half's nearest five of the same label, and vice versa.

    No label is read by an adaptation.  `whole`: neighbours among all clips; `half`: among those of labels that were
    not heard.  "heard": adapted to all clips, without labels, as a user's own catalogue is.  Clips of less than two
    segments (12 s) and silent ones are left out.

    JSON keys: models ▸ mfcc | musicrec | adapted | heard ▸ whole, half (of adapted: means over the repeats);
    clips, labels, left_out, repeats, model_version.
    """
    import torch

    torch.set_num_threads(threads)
    figures = _measure(read_labels(folder, labels, label), weights, work, epochs, repeats)
    if as_json:
        print(json.dumps(figures))
        return
    table = Table(title=f"Nearest five of the same {label}")
    for column in ("vectors", "among all clips", "among the unheard half"):
        table.add_column(column, justify="left" if column == "vectors" else "right")
    for name, row in figures["models"].items():
        table.add_row(name, f"{row['whole']:.4f}", f"{row['half']:.4f}" if "half" in row else "")
    table.caption = f"{figures['clips']} clips, {figures['labels']} labels, {repeats} times two halves"
    Console().print(table)


def _measure(clips: LabelledClips, weights: Path | None, work: Path, epochs: int, repeats: int) -> dict[str, Any]:
    import torch

    from embedder.checkpoint import load_weights, shipped_weights
    from embedder.kept_arrays import KeptArrays
    from embedder.training.adaptation import AdaptationSettings, adapt
    from embedder.training.catalogue import read_catalogue
    from embedder.training.placing import place_tracks

    console = Console(stderr=True)
    catalogue = read_catalogue(track(clips.paths, "clips", console=console), work)
    label_of = dict(zip((path.as_posix() for path in clips.paths), clips.labels, strict=True))
    labels = [label_of[name] for name in catalogue.names]
    kept = KeptArrays(work / "mfcc", "60")
    paths = [Path(name) for name in catalogue.names]
    mfcc = np.stack([kept.of(path, partial(_mfcc, path))["mfcc"] for path in paths])
    version = ""

    def adapted(places: Sequence[int]) -> Vectors:
        nonlocal version
        network, manifest = load_weights(weights or shipped_weights(), torch.device("cpu"))
        version = manifest.model_version
        if places:
            settings = AdaptationSettings(epochs=epochs)
            folder = work / f"half-{hashlib.sha256(bytes(str(places), 'ascii')).hexdigest()[:16]}-{epochs}"
            adapt(network, catalogue.chosen(places), settings, folder, model_version=version)
        return place_tracks(network, catalogue)

    def unheard(vectors: Vectors | None) -> dict[str, float]:
        seeds = track(range(repeats), "halves", console=console, disable=vectors is not None)
        found = [
            unheard_precision(adapted if vectors is None else lambda places: vectors, labels, seed) for seed in seeds
        ]
        return {name: float(np.mean([each[name] for each in found])) for name in found[0]}

    return {
        "models": {
            "mfcc": unheard(standardise(mfcc)),
            "musicrec": unheard(adapted([])),
            "adapted": unheard(None),
            "heard": {"whole": precision_at_k(adapted(range(len(labels))), labels)},
        },
        "clips": len(labels),
        "labels": len(set(labels)),
        "left_out": clips.left_out + len(clips.paths) - len(labels),
        "repeats": repeats,
        "model_version": version,
    }


def _mfcc(path: Path) -> dict[str, NDArray[np.float32]]:
    from embedder.audio_file import read_mono
    from embedder.mfcc import mfcc_statistics

    return {"mfcc": mfcc_statistics(read_mono(path))}
