"""Onsets of the percussive part, their periodicity, and the tempo."""

import torch
from torch import Tensor

from embedder.features.geometry import (
    DYNAMIC_RANGE_DB,
    FRAME_RATE_HZ,
    TEMPO_MAX_BPM,
    TEMPO_MIN_BPM,
    TEMPO_PRIOR_BPM,
    TEMPO_PRIOR_OCTAVES,
)

_MIN_ONSET_DB = 0.05
"""Mean rise per band and frame below which a track has no onsets to speak of."""
_MIN_PERIODICITY = 0.1
"""Share of the envelope's energy that has to come back after a beat, or there is no tempo."""
_GRID_PER_OCTAVE = 120


def onset_envelope(percussive_image: Tensor) -> Tensor:
    """Return the mean rise in level from frame to frame.

    Args:
        percussive_image: shape (segments, MEL_BANDS, frames), 0 to 1 over DYNAMIC_RANGE_DB.

    Returns:
        Shape (segments, frames - 1), decibels per frame.
    """
    return percussive_image.diff(dim=-1).clamp_(min=0.0).mean(dim=1) * DYNAMIC_RANGE_DB


def periodicity(envelope: Tensor) -> Tensor:
    """Return the autocorrelation of the onset envelope, mean over segments, by lag in frames.

    Args:
        envelope: shape (segments, frames).

    Returns:
        Shape (frames,), 1 at lag 0, corrected for the shrinking overlap; zeros where there are no onsets.
    """
    frames = envelope.shape[-1]
    centred = envelope - envelope.mean(dim=-1, keepdim=True)
    spectrum = torch.fft.rfft(centred, n=2 * frames)
    power = spectrum.real.square() + spectrum.imag.square()
    correlation = torch.fft.irfft(power.sum(dim=0), n=2 * frames)[:frames]
    overlap = torch.arange(frames, 0, -1, device=envelope.device).clamp(min=frames // 4) / frames
    floor = len(envelope) * frames * _MIN_ONSET_DB**2
    return torch.where(correlation[0] > floor, correlation / overlap / correlation[0].clamp(min=floor), 0.0)


def tempo_bpm(correlation: Tensor) -> float | None:
    """Return the tempo that explains the periodicity of the onsets best.

    A tempo is scored by the mean of the correlation after one to four beats, weighted by a log-normal prior.

    Args:
        correlation: of `periodicity`.

    Returns:
        Beats per minute, or None where nothing comes back.

    Source: Ellis 2007, "Beat tracking by dynamic programming", equations 6 and 7; the comb is Klapuri's.
    """
    correlation = correlation.cpu()
    octaves = torch.log2(torch.tensor(TEMPO_MAX_BPM / TEMPO_MIN_BPM))
    steps = int(octaves * _GRID_PER_OCTAVE) + 1
    bpm = TEMPO_MIN_BPM * 2 ** (torch.arange(steps) / _GRID_PER_OCTAVE)
    beat = 60.0 * FRAME_RATE_HZ / bpm
    comb = torch.stack([_at(correlation, beat * k) for k in (1, 2, 3, 4)])
    reach = torch.stack([(beat * k < len(correlation) - 1).float() for k in (1, 2, 3, 4)])
    score = (comb * reach).sum(0) / reach.sum(0).clamp(min=1.0)
    prior = torch.exp(-0.5 * (torch.log2(bpm / TEMPO_PRIOR_BPM) / TEMPO_PRIOR_OCTAVES) ** 2)
    best = int((score.clamp(min=0.0) * prior).argmax())
    return float(bpm[best]) if float(score[best]) >= _MIN_PERIODICITY else None


def _at(correlation: Tensor, lag: Tensor) -> Tensor:
    below = lag.floor().clamp(max=len(correlation) - 2)
    share = (lag - below).clamp(0.0, 1.0)
    index = below.long()
    return correlation[index] * (1 - share) + correlation[index + 1] * share
