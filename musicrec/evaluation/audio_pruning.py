"""What the shipped network loses with some of its channels."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from embedder.checkpoint import load_weights, shipped_weights
from embedder.network import TrackNetwork
from embedder.training.catalogue import Catalogue
from embedder.training.corpus import CorpusPlan, build_corpus
from embedder.training.placing import heard_segments, mean_of_tracks, place_tracks
from embedder.training.pruning import DistillingSettings, distil, multiplications, neighbour_overlap, pruned
from embedder.training.trainer import EpochReport
from musicrec.evaluation.audio import unit_rows
from musicrec.evaluation.audio_ablations import TrainingSize


def pruned_figures(
    share: float, size: TrainingSize, catalogue: Catalogue, work: Path, on_epoch: Callable[[EpochReport], None]
) -> dict[str, float]:
    """Return what a pruned and distilled network comes to on a catalogue, of an earlier run where there was one.

    Returns:
        `mmac` of one image, `overlap@10` of the vectors, `overlap@10_learned` of the part that comes from the network,
        and `same_class`: the share of tracks whose most probable class stays.
    """
    whole, manifest = load_weights(shipped_weights(), torch.device("cpu"))
    identity = [share, asdict(size), asdict(DistillingSettings()), manifest.model_version, catalogue.names]
    result = work / "pruned" / f"{hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]}.json"
    if result.exists():
        found: dict[str, float] = json.loads(result.read_text(encoding="utf-8"))
        return found
    small = pruned(whole, share)
    corpus = build_corpus(CorpusPlan(size.seed, size.styles, size.tracks), work, lambda done, files: None)
    if share < 1:
        distil(small, whole, corpus.images.reshape(-1, *corpus.images.shape[2:]), DistillingSettings(), on_epoch)
    heard = [heard_segments(each, catalogue.images) for each in (whole, small)]
    networks = list(zip((whole, small), heard, strict=True))
    vectors = [place_tracks(each, catalogue, of_each) for each, of_each in networks]
    classes = [_classes(each, catalogue, of_each) for each, of_each in networks]
    parts = [unit_rows(each[:, : whole.shape.learned]) for each in vectors]
    figures = {
        "mmac": multiplications(small.segments) / 1e6,
        "overlap@10": neighbour_overlap(vectors[0], vectors[1]),
        "overlap@10_learned": neighbour_overlap(parts[0], parts[1]),
        "same_class": float(np.mean(classes[0] == classes[1])),
    }
    result.parent.mkdir(parents=True, exist_ok=True)
    result.write_text(json.dumps(figures), encoding="utf-8")
    return figures


def _classes(network: TrackNetwork, catalogue: Catalogue, heard: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the most probable class of each track, by the mean over its segments."""
    with torch.no_grad():
        probabilities = network.segments.classify(torch.from_numpy(heard)).softmax(-1)
        found: NDArray[np.int64] = mean_of_tracks(probabilities, catalogue).argmax(-1).numpy()
    return found
