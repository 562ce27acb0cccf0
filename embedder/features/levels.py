"""What all features of a track are made from: levels by mel band, of the whole and of its two parts."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from embedder.features.elementary import power
from embedder.features.geometry import AUTOCORRELATION_POWER, FFT_SIZE, SAMPLE_RATE_HZ
from embedder.features.hpss import separate
from embedder.features.logmel import mel_level_db
from embedder.features.namespace import Array
from embedder.features.spectrogram import power_spectrum

PARTIAL_BINS = int(4_000 * FFT_SIZE / SAMPLE_RATE_HZ)
"""Partials above 4 kHz would make the peaks of an autocorrelation narrower than the tuning of instruments is exact."""


class Levels(NamedTuple):
    """Of all segments of a track."""

    mix_db: Array
    """(segments, MEL_BANDS, frames)"""
    harmonic_db: Array
    percussive_db: Array
    partials: Array
    """Magnitudes of the harmonic part to the AUTOCORRELATION_POWER, (segments, PARTIAL_BINS, frames)."""
    harmonic_level: Array
    """Root mean square of all its magnitudes, (segments, frames)."""


def levels(segments: NDArray[np.float32]) -> Levels:
    """Analyse segments on the CPU, one after another, so that what is between stays in its caches.

    Args:
        segments: shape (segments, SEGMENT_SAMPLES).
    """
    return Levels(*(np.stack(part) for part in zip(*map(_levels_of_one, segments), strict=True)))


def _levels_of_one(segment: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
    spectrum = power_spectrum(segment)
    harmonic, percussive = separate(spectrum)
    return (
        mel_level_db(spectrum),
        mel_level_db(harmonic),
        mel_level_db(percussive),
        power(harmonic[:PARTIAL_BINS], AUTOCORRELATION_POWER / 2),
        np.sqrt(np.mean(harmonic, axis=0)),
    )
