"""Which notes sound: short-time autocorrelation of the harmonic part, read at the periods of the semitones."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from embedder.features.geometry import (
    FFT_SIZE,
    PITCH_MAX_MIDI,
    PITCH_MIN_MIDI,
    SAMPLE_RATE_HZ,
)
from embedder.features.levels import PARTIAL_BINS
from embedder.features.namespace import Array, constant, namespace_of

N_PITCHES = PITCH_MAX_MIDI - PITCH_MIN_MIDI + 1


def pitch_salience(partials: Array) -> Array:
    """Return how strongly each semitone from C2 to C6 sounds in each frame.

    r(τ) = F⁻¹(|S|^p) is the generalised autocorrelation.  It peaks at every multiple of a period, so the values at
    τ/2 and τ/3 are taken off: a subharmonic has a stronger peak there, a fundamental has none.

    Args:
        partials: |S|^p of the harmonic part, of `Levels`, shape (segments, PARTIAL_BINS, frames).

    Returns:
        Shape (segments, N_PITCHES, frames), 0 (absent) to 1 (nothing else sounds); zeros in silence.

    Source: Tolonen and Karjalainen 2000, "A computationally efficient multipitch analysis model".
    """
    xp = namespace_of(partials)
    correlation = constant(_cosines(), partials) @ partials
    at, at_half, at_third = (correlation[:, n * N_PITCHES : (n + 1) * N_PITCHES] for n in range(3))
    energy = constant(_weights()[None, :], partials) @ partials
    subharmonic = xp.clip(xp.maximum(at_half, at_third), 0.0, None)
    return xp.clip((xp.clip(at, 0.0, None) - subharmonic) / xp.clip(energy, 1e-6, None), 0.0, 1.0)


@cache
def _weights() -> NDArray[np.float32]:
    """Return how often each bin stands in the two-sided spectrum."""
    weights = np.full(PARTIAL_BINS, 2.0, np.float32)
    weights[0] = 1.0
    return weights


@cache
def _cosines() -> NDArray[np.float32]:
    """Return the inverse transform at 1, 1/2 and 1/3 of each pitch's period alone, shape (3 · N_PITCHES, bins).

    147 lags of the 8192 that a transform with enough resolution would give; and none has to be rounded.
    """
    period = SAMPLE_RATE_HZ / (440.0 * 2.0 ** ((np.arange(PITCH_MIN_MIDI, PITCH_MAX_MIDI + 1) - 69) / 12))
    lags = np.concatenate((period, period / 2, period / 3))
    angle = 2 * np.pi / FFT_SIZE * lags[:, None] * np.arange(PARTIAL_BINS)
    cosines: NDArray[np.float32] = (_weights() * np.cos(angle)).astype(np.float32)
    return cosines


def key_profile(salience: Array, level: Array) -> Array:
    """Return the share of the twelve pitch classes, C first.

    Args:
        salience: of `pitch_salience`, shape (segments, N_PITCHES, frames).
        level: weight of each frame, shape (segments, frames), non-negative.

    Returns:
        Shape (12,), summing to 1; uniform where no note sounds.
    """
    xp = namespace_of(salience)
    weight = xp.sum(salience * salience * level[:, None, :], axis=(0, 2))
    profile = constant(_classes(), salience) @ weight
    total = xp.sum(profile)
    return xp.where(total > 1e-12, profile / xp.clip(total, 1e-12, None), xp.full_like(profile, 1 / 12))


@cache
def _classes() -> NDArray[np.float32]:
    """Return which pitches are of which class, shape (12, N_PITCHES)."""
    pitches = np.arange(PITCH_MIN_MIDI, PITCH_MAX_MIDI + 1)
    classes: NDArray[np.float32] = (pitches % 12 == np.arange(12)[:, None]).astype(np.float32)
    return classes
