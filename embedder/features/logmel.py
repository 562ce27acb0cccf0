"""256 × 256 log-mel images."""

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from embedder.features.elementary import log2_of
from embedder.features.geometry import (
    DYNAMIC_RANGE_DB,
    FFT_SIZE,
    MEL_BANDS,
    MEL_MAX_HZ,
    MEL_MIN_HZ,
    N_BINS,
    SAMPLE_RATE_HZ,
)
from embedder.features.namespace import Array, namespace_of
from musicrec.kernel import fast_kernel

FLOOR_DB = -100.0
"""Level of a mel band without energy."""

_LINEAR_HZ_PER_MEL = 200.0 / 3
_LOG_FROM_HZ = 1000.0
_LOG_STEP = np.log(6.4) / 27


def hz_to_mel(hz: np.ndarray) -> np.ndarray:
    """Return Slaney's mel scale: linear below 1 kHz, logarithmic above (Auditory Toolbox, 1998)."""
    linear = hz / _LINEAR_HZ_PER_MEL
    above = _LOG_FROM_HZ / _LINEAR_HZ_PER_MEL + np.log(np.maximum(hz, _LOG_FROM_HZ) / _LOG_FROM_HZ) / _LOG_STEP
    return np.where(hz < _LOG_FROM_HZ, linear, above)


def mel_to_hz(mel: np.ndarray) -> np.ndarray:
    """Return the inverse of `hz_to_mel`."""
    knee = _LOG_FROM_HZ / _LINEAR_HZ_PER_MEL
    return np.where(mel < knee, mel * _LINEAR_HZ_PER_MEL, _LOG_FROM_HZ * np.exp(_LOG_STEP * (mel - knee)))


def mel_filters() -> np.ndarray:
    """Return triangular filters of equal area, shape (MEL_BANDS, N_BINS), float32.

    Where a band is narrower than a bin, its triangle is widened to one bin on each side, so that no band is blind:
    256 bands are finer than a 2048-point transform below 1 kHz.
    """
    bins_hz = np.linspace(0.0, SAMPLE_RATE_HZ / 2, N_BINS)
    lowest, highest = hz_to_mel(np.array([MEL_MIN_HZ, MEL_MAX_HZ]))
    edges = mel_to_hz(np.linspace(lowest, highest, MEL_BANDS + 2))
    bin_hz = SAMPLE_RATE_HZ / FFT_SIZE
    centre = edges[1:-1, None]
    below = np.maximum(centre - edges[:-2, None], bin_hz)
    above = np.maximum(edges[2:, None] - centre, bin_hz)
    rising = 1 - (centre - bins_hz) / below
    falling = 1 - (bins_hz - centre) / above
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    filters: np.ndarray = (triangles / triangles.sum(axis=1, keepdims=True)).astype(np.float32)
    return filters


class _Band(NamedTuple):
    """Filters as what is not zero of them, 0.8 %."""

    first: NDArray[np.int64]
    """First bin that each band hears, shape (MEL_BANDS,)."""
    end: NDArray[np.int64]
    """First that it hears no more."""
    weights: NDArray[np.float32]
    """(MEL_BANDS, most bins of a band)"""


@cache
def _bands() -> _Band:
    filters = mel_filters()
    heard = filters > 0
    first = heard.argmax(axis=1)
    end = N_BINS - heard[:, ::-1].argmax(axis=1)
    weights = np.zeros((MEL_BANDS, int((end - first).max())), np.float32)
    for row, filter_, a, b in zip(weights, filters, first, end, strict=True):
        row[: b - a] = filter_[a:b]
    return _Band(first, end, weights)


FULL_SCALE = (FFT_SIZE / 4) ** 2
"""Power of a sine of amplitude 1."""
DB_PER_OCTAVE = np.float32(10 * np.log10(2))
_FLOOR = np.float32(10 ** (FLOOR_DB / 10) * FULL_SCALE)
_FULL_SCALE_DB = np.float32(10 * np.log10(FULL_SCALE))


def mel_level_db(spectrum: NDArray[np.float32], into: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """Return the level in each mel band.

    Args:
        spectrum: power of one segment, shape (N_BINS, frames), of `spectrogram.power_spectrum`.
        into: where to put it; None takes new memory.

    Returns:
        Shape (MEL_BANDS, frames), decibels; a full-scale sine reads about 0, silence FLOOR_DB.
    """
    level_db = np.empty((MEL_BANDS, spectrum.shape[1]), np.float32) if into is None else into
    _measure(spectrum, *_bands(), level_db)
    return level_db


@fast_kernel
def _measure(
    spectrum: NDArray[np.float32],
    first: NDArray[np.int64],
    end: NDArray[np.int64],
    weights: NDArray[np.float32],
    level_db: NDArray[np.float32],
) -> None:
    for band in range(len(level_db)):
        row = level_db[band]
        row[:] = 0  # power, until all of the band is in
        for bin_ in range(first[band], end[band]):
            weight, heard = weights[band, bin_ - first[band]], spectrum[bin_]
            for frame in range(len(row)):
                row[frame] += weight * heard[frame]
        for frame in range(len(row)):
            row[frame] = log2_of(max(row[frame], _FLOOR)) * DB_PER_OCTAVE - _FULL_SCALE_DB


def images(parts_db: Array) -> Array:
    """Return what the network sees: one image per segment, mix, harmonic and percussive as its three channels.

    All channels are relative to the loudest point of the segment's mix, so that loudness is gone and the balance of
    the parts remains.

    Args:
        parts_db: shape (segments, 3, MEL_BANDS, frames), decibels.

    Returns:
        Same shape, 0 (DYNAMIC_RANGE_DB below the maximum, or less) to 1.
    """
    xp = namespace_of(parts_db)
    top = xp.clip(xp.max(parts_db[:, 0], axis=(1, 2)), FLOOR_DB + DYNAMIC_RANGE_DB, None)[:, None, None, None]
    scaled = parts_db * (1 / DYNAMIC_RANGE_DB)
    scaled += 1 - top / DYNAMIC_RANGE_DB
    return xp.clip(scaled, 0.0, 1.0)
