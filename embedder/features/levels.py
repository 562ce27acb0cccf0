"""What all features of a track are made from: levels by mel band, of the whole and of its two parts."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from embedder.features.elementary import power
from embedder.features.geometry import (
    AUTOCORRELATION_POWER,
    FFT_SIZE,
    MEL_BANDS,
    SAMPLE_RATE_HZ,
    SEGMENT_FRAMES,
)
from embedder.features.hpss import separate
from embedder.features.logmel import mel_level_db
from embedder.features.namespace import Array
from embedder.features.spectrogram import power_spectrum

PARTIAL_BINS = int(4_000 * FFT_SIZE / SAMPLE_RATE_HZ)
"""Partials above 4 kHz would make the peaks of an autocorrelation narrower than the tuning of instruments is exact."""


class Levels(NamedTuple):
    """Of all segments of a track."""

    parts_db: Array
    """Of the mix, its harmonic and its percussive part, (segments, 3, MEL_BANDS, frames)."""
    partials: Array
    """Magnitudes of the harmonic part to the AUTOCORRELATION_POWER, (segments, PARTIAL_BINS, frames)."""
    harmonic_level: Array
    """Root mean square of all its magnitudes, (segments, frames)."""


def levels(segments: NDArray[np.float32]) -> Levels:
    """Analyse segments on the CPU, one after another, so that what is between stays in its caches.

    Args:
        segments: shape (segments, SEGMENT_SAMPLES).
    """
    count = len(segments)
    heard = Levels(
        np.empty((count, 3, MEL_BANDS, SEGMENT_FRAMES), np.float32),
        np.empty((count, PARTIAL_BINS, SEGMENT_FRAMES), np.float32),
        np.empty((count, SEGMENT_FRAMES), np.float32),
    )
    for segment, parts_db, partials, level in zip(segments, *heard, strict=True):
        spectrum = power_spectrum(segment)
        harmonic, percussive = separate(spectrum)
        for part, level_db in zip((spectrum, harmonic, percussive), parts_db, strict=True):
            mel_level_db(part, level_db)
        power(harmonic[:PARTIAL_BINS], AUTOCORRELATION_POWER / 2, partials)
        np.sqrt(np.mean(harmonic, axis=0), out=level)
    return heard
