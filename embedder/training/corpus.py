"""What the network is trained on: tracks of synthesised styles, analysed once and kept in a folder."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedder.features.descriptors import N_DESCRIPTORS
from embedder.features.geometry import FEATURE_VERSION, MEL_BANDS, SEGMENT_FRAMES
from embedder.kept_arrays import Arrays
from embedder.synthesis import FAMILY_NAMES, INSTRUMENTS, Style, perform
from embedder.training.analysed import analysed
from embedder.training.tasks import Truths

STYLES_PER_FILE = 16
REVISION = 2
"""Raised when parts hold other arrays than before."""
SEGMENTS = 3
TRACK_SECONDS = 18.0
"""Three segments: the shortest track that shows more than one part of itself."""


@dataclass(frozen=True, slots=True)
class CorpusPlan:
    """Which tracks there are; with the feature version it determines every number of the corpus."""

    seed: int
    styles: int
    tracks_per_style: int

    @property
    def name(self) -> str:
        """Name of the folder below the working folder."""
        return f"corpus{REVISION}-{self.seed}-{self.styles}x{self.tracks_per_style}"

    def style(self, index: int) -> Style:
        """Return a style; families take turns, so that each has as many styles as any other."""
        return Style.sample(self.seed * 1_000_003 + index, FAMILY_NAMES[index % len(FAMILY_NAMES)])


@dataclass(frozen=True, slots=True)
class Corpus:
    """Analysed tracks; track i belongs to style i // tracks_per_style."""

    images: NDArray[np.uint8]
    """(tracks, SEGMENTS, 3, MEL_BANDS, SEGMENT_FRAMES), 0 to 255: steps of 0.3 dB."""
    descriptors: NDArray[np.float32]
    """(tracks, N_DESCRIPTORS)"""
    styles: NDArray[np.int64]
    """(tracks,)"""
    families: NDArray[np.int64]
    """(tracks,), index into FAMILY_NAMES."""
    truths: Truths


def build_corpus(plan: CorpusPlan, folder: Path, on_file: Callable[[int, int], None]) -> Corpus:
    """Synthesise and analyse what is missing in `folder`, then load all of it.

    Files are written whole or not at all, so a run that was killed goes on where it stopped.

    Args:
        plan: which tracks.
        folder: working folder; the corpus gets its own below it.
        on_file: called with (files done, files in all).
    """
    home = folder / plan.name / FEATURE_VERSION
    home.mkdir(parents=True, exist_ok=True)
    starts = range(0, plan.styles, STYLES_PER_FILE)
    for done, first in enumerate(starts):
        path = home / f"{first:06}.npz"
        if not path.exists():
            _write(path, _analyse_styles(plan, range(first, min(plan.styles, first + STYLES_PER_FILE))))
        on_file(done + 1, len(starts))
    return _load(plan, [home / f"{first:06}.npz" for first in starts])


def _analyse_styles(plan: CorpusPlan, indices: range) -> Arrays:
    images, descriptors, performances = [], [], []
    for index in indices:
        style = plan.style(index)
        for track in range(plan.tracks_per_style):
            performance = perform(style, track, TRACK_SECONDS)
            heard = analysed(performance.pcm)
            images.append(heard.images)
            descriptors.append(heard.descriptors)
            performances.append(performance)
    truths = asdict(Truths.of(performances))
    return {"images": np.stack(images), "descriptors": np.stack(descriptors), **truths}


def _write(path: Path, arrays: Arrays) -> None:
    partial = path.with_suffix(".partial.npz")
    np.savez(partial, allow_pickle=False, **arrays)
    partial.replace(path)


def _load(plan: CorpusPlan, paths: list[Path]) -> Corpus:
    tracks = plan.styles * plan.tracks_per_style
    arrays: dict[str, NDArray[Any]] = {
        "images": np.empty((tracks, SEGMENTS, 3, MEL_BANDS, SEGMENT_FRAMES), np.uint8),
        "descriptors": np.empty((tracks, N_DESCRIPTORS), np.float32),
        "instruments": np.empty((tracks, len(INSTRUMENTS)), np.uint8),
        "tempo": np.empty(tracks, np.int64),
        "tonic": np.empty(tracks, np.int64),
    }
    at = 0
    for path in paths:
        # Arrays in parts that this run may have written days ago, and no code: pickles are refused.
        with np.load(path, allow_pickle=False) as part:  # noqa: TID251
            count = len(part["descriptors"])
            for name, whole in arrays.items():
                whole[at : at + count] = part[name]
        at += count
    styles = np.arange(tracks) // plan.tracks_per_style
    truths = Truths(arrays["instruments"], arrays["tempo"], arrays["tonic"])
    return Corpus(arrays["images"], arrays["descriptors"], styles, styles % len(FAMILY_NAMES), truths)


def plan_settings(plan: CorpusPlan) -> dict[str, int | float]:
    """Return the plan as it is written into the manifest of the weights."""
    return {**asdict(plan), "track_seconds": TRACK_SECONDS}
