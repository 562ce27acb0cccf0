"""Onsets of the percussive part, their periodicity, and the tempo."""

import numpy as np
from numpy.typing import NDArray

from embedder.features.geometry import (
    DYNAMIC_RANGE_DB,
    FRAME_RATE_HZ,
    TEMPO_MAX_BPM,
    TEMPO_MIN_BPM,
    TEMPO_PRIOR_BPM,
    TEMPO_PRIOR_OCTAVES,
)
from embedder.features.namespace import Array, constant, namespace_of

_MIN_ONSET_DB = 0.05
"""Mean rise per band and frame below which a track has no onsets to speak of."""
_MIN_PERIODICITY = 0.1
"""Share of the envelope's energy that has to come back after a beat, or there is no tempo."""
_GRID_PER_OCTAVE = 120


def onset_envelope(percussive_image: Array) -> Array:
    """Return the mean rise in level from frame to frame.

    Args:
        percussive_image: shape (segments, MEL_BANDS, frames), 0 to 1 over DYNAMIC_RANGE_DB.

    Returns:
        Shape (segments, frames - 1), decibels per frame.
    """
    xp = namespace_of(percussive_image)
    rise = percussive_image[..., 1:] - percussive_image[..., :-1]
    return xp.mean(xp.clip(rise, 0.0, None), axis=1) * DYNAMIC_RANGE_DB


def periodicity(envelope: Array) -> Array:
    """Return the autocorrelation of the onset envelope, mean over segments, by lag in frames.

    Args:
        envelope: shape (segments, frames).

    Returns:
        Shape (frames,), 1 at lag 0, corrected for the shrinking overlap; zeros where there are no onsets.
    """
    xp = namespace_of(envelope)
    segments, frames = envelope.shape
    centred = envelope - xp.mean(envelope, axis=-1, keepdims=True)
    spectrum = xp.fft.rfft(centred, n=2 * frames)
    power = xp.sum(xp.real(spectrum) ** 2 + xp.imag(spectrum) ** 2, axis=0)
    correlation = xp.fft.irfft(power, n=2 * frames)[:frames]
    overlap = constant(np.maximum(np.arange(frames, 0, -1), frames // 4).astype(np.float32) / frames, envelope)
    floor = segments * frames * _MIN_ONSET_DB**2
    scaled = correlation / overlap / xp.clip(correlation[0], floor, None)
    return xp.where(correlation[0] > floor, scaled, xp.zeros_like(scaled))


def tempo_bpm(correlation: NDArray[np.float32]) -> float | None:
    """Return the tempo that explains the periodicity of the onsets best.

    A tempo is scored by the mean of the correlation after one to four beats, weighted by a log-normal prior.

    Args:
        correlation: of `periodicity`.

    Returns:
        Beats per minute, or None where nothing comes back.

    Source: Ellis 2007, "Beat tracking by dynamic programming", equations 6 and 7; the comb is Klapuri's.
    """
    steps = int(np.log2(TEMPO_MAX_BPM / TEMPO_MIN_BPM) * _GRID_PER_OCTAVE) + 1
    bpm = TEMPO_MIN_BPM * 2 ** (np.arange(steps) / _GRID_PER_OCTAVE)
    lags = 60.0 * FRAME_RATE_HZ / bpm * np.arange(1, 5)[:, None]
    comb = np.interp(lags, np.arange(len(correlation)), correlation)
    reach = lags < len(correlation) - 1
    score = (comb * reach).sum(axis=0) / np.maximum(reach.sum(axis=0), 1)
    prior = np.exp(-0.5 * (np.log2(bpm / TEMPO_PRIOR_BPM) / TEMPO_PRIOR_OCTAVES) ** 2)
    best = int((np.maximum(score, 0.0) * prior).argmax())
    return float(bpm[best]) if score[best] >= _MIN_PERIODICITY else None
