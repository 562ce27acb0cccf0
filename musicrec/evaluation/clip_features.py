"""What the audio evaluation knows of a clip: baselines and ours, of the clip and of its segments."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embedder.audio_file import read_mono
from embedder.encoder import AudioEncoder
from embedder.features.spectrogram import cut_segments
from embedder.kept_arrays import Arrays, KeptArrays
from embedder.mfcc import mfcc_statistics, spectral_statistics
from embedder.training.analysed import analysed

Rows = NDArray[np.float32]
REVISION = "1"
"""Raised when the baselines or what is kept of a clip change; the rest is in the model version."""


@dataclass(frozen=True, slots=True)
class ClipFeatures:
    """A row per clip, and per segment of a clip."""

    mfcc: Rows
    """(clips, 60)"""
    spectral: Rows
    """(clips, 40): contrast, chroma, centroid."""
    descriptors: Rows
    """(clips, N_DESCRIPTORS)"""
    vectors: Rows
    """(clips, dimension)"""
    segment_mfcc: Rows
    """(segments of all clips, 60)"""
    segment_vectors: Rows
    """(segments of all clips, dimension)"""
    clip_of: NDArray[np.int64]
    """(segments of all clips,): whose they are."""


def read_features(paths: Iterable[Path], encoder: AudioEncoder, work: Path) -> ClipFeatures:
    """Compute the features of clips, or read what an earlier run with the same weights kept of them in `work`.

    Raises:
        BadInput: a clip is no audio.
    """
    kept = KeptArrays(work / "clips", f"{REVISION}-{encoder.model_version}")
    found = [kept.of(path, partial(_features, path, encoder)) for path in paths]
    counts = [len(each["segment_mfcc"]) for each in found]
    return ClipFeatures(
        **{name: np.stack([each[name] for each in found]) for name in ("mfcc", "spectral", "descriptors", "vectors")},
        **{name: np.concatenate([each[name] for each in found]) for name in ("segment_mfcc", "segment_vectors")},
        clip_of=np.repeat(np.arange(len(found)), counts),
    )


def _features(path: Path, encoder: AudioEncoder) -> Arrays:
    pcm = read_mono(path)
    segments = cut_segments(pcm)
    embedded = encoder.embed([pcm, *segments])
    return {
        "mfcc": mfcc_statistics(pcm),
        "spectral": spectral_statistics(pcm),
        "descriptors": analysed(pcm).descriptors,
        "vectors": embedded[0].vector,
        "segment_mfcc": np.stack([mfcc_statistics(segment) for segment in segments]),
        "segment_vectors": np.stack([each.vector for each in embedded[1:]]),
    }
