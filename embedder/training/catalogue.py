"""A user's own catalogue as adaptation sees it: tracks in segments, and nothing said of any."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embedder.audio_file import read_mono
from embedder.features.geometry import FEATURE_VERSION
from embedder.features.spectrogram import cut_segments
from embedder.kept_arrays import Arrays, KeptArrays
from embedder.training.analysed import analysed
from musicrec.errors import BadInput

SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3")
MOST_TRACKS = 1_000
"""Covariances of a thousand tracks are those of ten thousand, and their images fill 1 GB of memory."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Analysed tracks of two segments or more; silent and shorter ones say nothing of what varies within a track."""

    names: tuple[str, ...]
    """Paths of the files, as they were given."""
    images: NDArray[np.uint8]
    """(segments of all tracks, 3, MEL_BANDS, SEGMENT_FRAMES), 0 to 255."""
    track_of: NDArray[np.int64]
    """(segments of all tracks,), rising: place of the track among `names`; two or more of each."""
    descriptors: NDArray[np.float32]
    """(tracks, N_DESCRIPTORS)"""
    segment_descriptors: NDArray[np.float32]
    """(segments of all tracks, N_DESCRIPTORS), each segment as if it were a track."""

    def chosen(self, tracks: Sequence[int]) -> "Catalogue":
        """Return the tracks at these places alone, in this order."""
        rows = [np.flatnonzero(self.track_of == track) for track in tracks]
        every = np.concatenate(rows)
        return Catalogue(
            names=tuple(self.names[track] for track in tracks),
            images=self.images[every],
            track_of=np.repeat(np.arange(len(tracks)), [len(each) for each in rows]),
            descriptors=self.descriptors[list(tracks)],
            segment_descriptors=self.segment_descriptors[every],
        )


def audio_files(folder: Path, most: int, seed: int) -> list[Path]:
    """Return the audio files below a folder, sorted; `most` of them drawn at random where there are more.

    Raises:
        BadInput: there are fewer than two.
    """
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if len(found) < 2:
        raise BadInput(f"{folder}: {len(found)} files end in {', '.join(SUFFIXES)}; at least two are needed")
    if len(found) > most:
        found = [found[place] for place in sorted(np.random.default_rng(seed).permutation(len(found))[:most])]
    return found


def read_catalogue(paths: Iterable[Path], work: Path) -> Catalogue:
    """Analyse files, or read what an earlier run kept of them in `work`.

    Raises:
        BadInput: a file is no audio, or fewer than two tracks have two segments that are not silent.
    """
    kept = KeptArrays(work / "analysed", FEATURE_VERSION)
    heard = []
    for path in paths:
        arrays = kept.of(path, partial(_arrays, path))
        if len(arrays["images"]) > 1:
            heard.append((path.as_posix(), arrays))
    if len(heard) < 2:
        raise BadInput(f"{len(heard)} tracks are longer than a segment and not silent; at least two are needed")
    names, parts = zip(*heard, strict=True)
    return Catalogue(
        names=tuple(names),
        images=np.concatenate([part["images"] for part in parts]),
        track_of=np.repeat(np.arange(len(parts)), [len(part["images"]) for part in parts]),
        descriptors=np.stack([part["descriptors"] for part in parts]),
        segment_descriptors=np.concatenate([part["segment_descriptors"] for part in parts]),
    )


def _arrays(path: Path) -> Arrays:
    """Return images and descriptors; no images of a silent track."""
    pcm = read_mono(path)
    track = analysed(pcm)
    return {
        "images": track.images[:0] if track.silent else track.images,
        "descriptors": track.descriptors,
        "segment_descriptors": np.stack([analysed(segment).descriptors for segment in cut_segments(pcm)]),
    }
