"""Which notes sound: short-time autocorrelation of the harmonic part, read at the periods of the semitones."""

from functools import cache

import torch
from torch import Tensor

from embedder.features.geometry import (
    AUTOCORRELATION_POWER,
    FFT_SIZE,
    N_BINS,
    PITCH_MAX_MIDI,
    PITCH_MIN_MIDI,
    SAMPLE_RATE_HZ,
)

N_PITCHES = PITCH_MAX_MIDI - PITCH_MIN_MIDI + 1
_HIGHEST_BIN = int(4_000 * FFT_SIZE / SAMPLE_RATE_HZ)
"""Partials above 4 kHz would make the peaks narrower than the tuning of instruments is exact."""


def pitch_salience(harmonic: Tensor) -> Tensor:
    """Return how strongly each semitone from C2 to C6 sounds in each frame.

    r(τ) = F⁻¹(|S|^p) is the generalised autocorrelation.  It peaks at every multiple of a period, so the values at
    τ/2 and τ/3 are taken off: a subharmonic has a stronger peak there, a fundamental has none.

    Args:
        harmonic: magnitudes, shape (segments, frames, N_BINS).

    Returns:
        Shape (segments, frames, N_PITCHES), 0 (absent) to 1 (nothing else sounds); zeros in silence.

    Source: Tolonen and Karjalainen 2000, "A computationally efficient multipitch analysis model".
    """
    spectrum = harmonic[..., :_HIGHEST_BIN].pow(AUTOCORRELATION_POWER)
    correlation = (spectrum @ _cosines(harmonic.device)).clamp_(min=0.0)
    at, at_half, at_third = correlation.split(N_PITCHES, dim=-1)
    energy = spectrum @ _weights(harmonic.device)
    return ((at - torch.maximum(at_half, at_third)) / energy[..., None].clamp(min=1e-6)).clamp_(0.0, 1.0)


@cache
def _weights(device: torch.device) -> Tensor:
    """Return how often each bin stands in the two-sided spectrum."""
    with torch.inference_mode(False):
        weights = torch.full((_HIGHEST_BIN,), 2.0, device=device)
        weights[0] = 1.0
        return weights


@cache
def _cosines(device: torch.device) -> Tensor:
    """Return the inverse transform at 1, 1/2 and 1/3 of each pitch's period alone, shape (bins, 3 · N_PITCHES).

    147 lags of the 8192 that a transform with enough resolution would give; and none has to be rounded.
    """
    midi = torch.arange(PITCH_MIN_MIDI, PITCH_MAX_MIDI + 1, dtype=torch.float64)
    period = SAMPLE_RATE_HZ / (440.0 * 2.0 ** ((midi - 69) / 12))
    lags = torch.cat((period, period / 2, period / 3))
    angle = 2 * torch.pi / FFT_SIZE * torch.arange(_HIGHEST_BIN, dtype=torch.float64)[:, None] * lags
    with torch.inference_mode(False):
        return _weights(device)[:, None] * angle.cos().float().to(device)


def key_profile(salience: Tensor, level: Tensor) -> Tensor:
    """Return the share of the twelve pitch classes, C first.

    Args:
        salience: of `pitch_salience`, shape (segments, frames, N_PITCHES).
        level: weight of each frame, shape (segments, frames), non-negative.

    Returns:
        Shape (12,), summing to 1; uniform where no note sounds.
    """
    weight = (salience.square() * level[..., None]).sum(dim=(0, 1))
    classes = torch.arange(PITCH_MIN_MIDI, PITCH_MAX_MIDI + 1, device=weight.device) % 12
    profile = torch.zeros(12, dtype=weight.dtype, device=weight.device).index_add_(0, classes, weight)
    total = profile.sum()
    return torch.where(total > 1e-12, profile / total.clamp(min=1e-12), torch.full_like(profile, 1 / 12))


def frame_level(spectrum: Tensor) -> Tensor:
    """Return the root-mean-square magnitude of each frame of (segments, frames, N_BINS): (segments, frames)."""
    return spectrum.square().sum(dim=-1).div(N_BINS).sqrt()
