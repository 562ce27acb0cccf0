"""The trial of `adaptation.py` on a folder of clips: MFCC, the weights as they are, adapted, and having heard all."""

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from embedder.audio_file import read_mono
from embedder.checkpoint import load_weights, shipped_weights
from embedder.kept_arrays import KeptArrays
from embedder.mfcc import mfcc_statistics
from embedder.training.adaptation import AdaptationSettings, adapt
from embedder.training.catalogue import read_catalogue
from embedder.training.placing import heard_segments, place_tracks
from musicrec.evaluation.adaptation import Vectors, unheard_precision
from musicrec.evaluation.audio import LabelledClips, precision_at_k, standardise


def unheard_figures(
    clips: LabelledClips, weights: Path | None, work: Path, *, epochs: int, repeats: int
) -> dict[str, Any]:
    """Return what `musicrec evaluate adaptation` reports.

    Args:
        clips: with their labels.
        weights: to begin with; those of the package if not given.
        work: folder of what was analysed.
        epochs: contrastive passes of an adaptation.
        repeats: ways of cutting the labels into halves.
    """
    console = Console(stderr=True)
    catalogue = read_catalogue(track(clips.paths, "segments", console=console), work)
    label_of = dict(zip((path.as_posix() for path in clips.paths), clips.labels, strict=True))
    labels = [label_of[name] for name in catalogue.names]
    kept = KeptArrays(work / "mfcc", "60")
    mfcc = np.stack([kept.of(path, partial(_mfcc, path))["mfcc"] for path in map(Path, catalogue.names)])
    before, manifest = load_weights(weights or shipped_weights(), torch.device("cpu"))
    # Without epochs the convolutions stay, and so does what they hear.
    heard = heard_segments(before, catalogue.images)

    def adapted(places: Sequence[int]) -> Vectors:
        network, _ = load_weights(weights or shipped_weights(), torch.device("cpu"))
        rows = np.flatnonzero(np.isin(catalogue.track_of, places))
        folder = work / f"half-{hashlib.sha256(str(places).encode()).hexdigest()[:16]}-{epochs}"
        adapt(
            network,
            catalogue.chosen(places),
            AdaptationSettings(epochs=epochs),
            folder,
            model_version=manifest.model_version,
            heard=None if epochs else heard[rows],
        )
        return place_tracks(network, catalogue, None if epochs else heard)

    def unheard(vectors: Vectors | None) -> dict[str, float]:
        seeds = track(range(repeats), "halves", console=console, disable=vectors is not None)
        found = [
            unheard_precision(adapted if vectors is None else lambda places: vectors, labels, seed) for seed in seeds
        ]
        return {name: float(np.mean([each[name] for each in found])) for name in found[0]}

    return {
        "models": {
            "mfcc": unheard(standardise(mfcc)),
            "musicrec": unheard(place_tracks(before, catalogue, heard)),
            "adapted": unheard(None),
            "heard": {"whole": precision_at_k(adapted(range(len(labels))), labels)},
        },
        "clips": len(labels),
        "labels": len(set(labels)),
        "left_out": clips.left_out + len(clips.paths) - len(labels),
        "repeats": repeats,
        "model_version": manifest.model_version,
    }


def _mfcc(path: Path) -> dict[str, NDArray[np.float32]]:
    return {"mfcc": mfcc_statistics(read_mono(path))}
