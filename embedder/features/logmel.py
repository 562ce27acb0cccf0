"""256 × 256 log-mel images."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

from embedder.features.geometry import (
    DYNAMIC_RANGE_DB,
    FFT_SIZE,
    MEL_BANDS,
    MEL_MAX_HZ,
    MEL_MIN_HZ,
    N_BINS,
    SAMPLE_RATE_HZ,
)

FLOOR_DB = -100.0
"""Level of a mel band without energy."""

_BLOCKS = 8

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


@dataclass(frozen=True, slots=True)
class _BandBlock:
    """Neighbouring bands, and the bins that any of them hears."""

    bins: slice
    filters: Tensor
    """(bins, bands)"""


@cache
def _band_blocks(device: torch.device) -> tuple[_BandBlock, ...]:
    """Return the filters in blocks: of the whole matrix, 0.8 % is not zero."""
    blocks = []
    with torch.inference_mode(False):
        for part in np.split(mel_filters(), _BLOCKS):
            heard = np.flatnonzero(part.any(axis=0))
            bins = slice(int(heard[0]), int(heard[-1]) + 1)
            blocks.append(_BandBlock(bins, torch.from_numpy(part[:, bins].T.copy()).to(device)))
    return tuple(blocks)


def mel_level_db(spectrum: Tensor) -> Tensor:
    """Return the level in each mel band.

    Args:
        spectrum: magnitudes, shape (..., frames, N_BINS), of `spectrogram.magnitude`.

    Returns:
        Shape (..., frames, MEL_BANDS), decibels; a full-scale sine reads about 0, silence FLOOR_DB.
    """
    bins = (spectrum * (4.0 / FFT_SIZE)).square_()
    power = torch.cat([bins[..., block.bins] @ block.filters for block in _band_blocks(spectrum.device)], dim=-1)
    return power.clamp_(min=10 ** (FLOOR_DB / 10)).log10_().mul_(10.0)


def images(mix_db: Tensor, harmonic_db: Tensor, percussive_db: Tensor) -> Tensor:
    """Return what the network sees: one image per segment, mix, harmonic and percussive as its three channels.

    All channels are relative to the loudest point of the segment's mix, so that loudness is gone and the balance of
    the parts remains.

    Args:
        mix_db, harmonic_db, percussive_db: shape (segments, frames, MEL_BANDS), decibels.

    Returns:
        Shape (segments, 3, MEL_BANDS, frames), 0 (DYNAMIC_RANGE_DB below the maximum, or less) to 1.
    """
    stacked = torch.stack((mix_db, harmonic_db, percussive_db), dim=1)
    top = mix_db.amax(dim=(1, 2)).clamp(min=FLOOR_DB + DYNAMIC_RANGE_DB)[:, None, None, None]
    scaled = ((stacked - top) / DYNAMIC_RANGE_DB + 1.0).clamp_(0.0, 1.0)
    return scaled.transpose(2, 3)
