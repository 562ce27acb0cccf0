"""Statistics of a whole track that say how it sounds: timbre, texture, dynamics, movement, rhythm, harmony.

They are what thirty years of music retrieval found to work without training, and they stand beside what the network
learned.  Each block is a plain function of mel levels or notes; `BLOCKS` is their order in the vector.

Sources: Logan and Salomon 2001 (MFCC statistics); Pampalk 2006 (fluctuation patterns); Jiang et al. 2002 (spectral
contrast); Seyerlehner et al. 2010 (block-level features).
"""

import math
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from embedder.features.geometry import DYNAMIC_RANGE_DB, FRAME_RATE_HZ, MEL_BANDS
from embedder.features.logmel import FLOOR_DB

COEFFICIENTS = 20
_BANDS = 32
_CORRELATED = 10
_COARSE_BANDS = 8
_CONTRAST_BANDS = 16
_MODULATION_BANDS = 16
_MODULATIONS = 8
_MODULATION_MIN_HZ, _MODULATION_MAX_HZ = 0.25, 16.0
_LAGS = 20

BLOCKS: dict[str, int] = {
    "timbre_mean": _BANDS,
    "timbre_deviation": COEFFICIENTS,
    "timbre_change": COEFFICIENTS,
    "timbre_correlation": _CORRELATED * (_CORRELATED - 1) // 2,
    "harmonic_timbre": COEFFICIENTS,
    "percussive_timbre": COEFFICIENTS,
    "percussive_share": 2 * _COARSE_BANDS,
    "dynamics": 6,
    "contrast": 2 * _CONTRAST_BANDS,
    "modulation": _MODULATION_BANDS * _MODULATIONS,
    "rhythm": _LAGS + 2,
    "harmony": 12,
}
"""Name and length of each block, in order."""
N_DESCRIPTORS = sum(BLOCKS.values())


class Parts(NamedTuple):
    """What the descriptors of one track are made from."""

    mix_db: Tensor
    """(segments, frames, MEL_BANDS)"""
    harmonic_db: Tensor
    percussive_db: Tensor
    salience: Tensor
    """(segments, frames, pitches)"""
    onsets: Tensor
    """(segments, frames - 1)"""
    periodicity: Tensor
    """(frames - 1,)"""
    key_profile: Tensor
    """(12,)"""


def describe(parts: Parts) -> Tensor:
    """Return the descriptors of one track, shape (N_DESCRIPTORS,), float32, finite, in the units of each block."""
    floor = max(FLOOR_DB, float(parts.mix_db.max()) - DYNAMIC_RANGE_DB)
    mix, harmonic, percussive = (part.clamp(min=floor) for part in parts[:3])
    blocks = (
        _timbre(mix),
        _cepstrum(harmonic)[..., :COEFFICIENTS].mean(dim=(0, 1)),
        _cepstrum(percussive)[..., :COEFFICIENTS].mean(dim=(0, 1)),
        _percussive_share(harmonic, percussive),
        _dynamics(parts.mix_db),
        _contrast(mix),
        _modulation(mix),
        _rhythm(parts.onsets, parts.periodicity),
        _harmony(parts.salience, parts.key_profile),
    )
    return torch.cat(blocks)


@cache
def _cosines(device: torch.device) -> Tensor:
    with torch.inference_mode(False):
        n = torch.arange(_BANDS, device=device)
        k = torch.arange(_BANDS, device=device)
        basis = torch.cos(math.pi / _BANDS * (n[:, None] + 0.5) * k) * math.sqrt(2 / _BANDS)
        basis[:, 0] /= math.sqrt(2)
        return basis


def _pool_bands(db: Tensor, bands: int) -> Tensor:
    return db.unflatten(-1, (bands, MEL_BANDS // bands)).mean(dim=-1)


def _cepstrum(db: Tensor) -> Tensor:
    """Cosine transform of the levels of 32 bands (dB): (segments, frames, 32)."""
    return _pool_bands(db, _BANDS) @ _cosines(db.device)


def _timbre(mix: Tensor) -> Tensor:
    """Mean, deviation, deviation of the change over two frames, and correlations of the cepstral coefficients (dB)."""
    cepstrum = _cepstrum(mix)
    frames = cepstrum.flatten(0, 1)
    mean, deviation = frames.mean(0), frames.std(0, correction=0)
    change = (cepstrum[:, 2:, :COEFFICIENTS] - cepstrum[:, :-2, :COEFFICIENTS]).flatten(0, 1)
    scaled = (frames - mean)[:, :_CORRELATED] / deviation[:_CORRELATED].clamp(min=1e-3)
    correlation = scaled.T @ scaled / len(scaled)
    above = torch.triu_indices(_CORRELATED, _CORRELATED, offset=1, device=mix.device)
    return torch.cat((mean, deviation[:COEFFICIENTS], change.std(0, correction=0), correlation[above[0], above[1]]))


def _dynamics(mix: Tensor) -> Tensor:
    """Quietest, soft, median, loud and loudest frame by the mean (dB), and the level of the quietest band (dB)."""
    loudness = mix.mean(dim=-1).flatten()
    marks = torch.tensor([0.02, 0.1, 0.5, 0.9, 0.98], device=mix.device)
    floor = mix.flatten(0, 1).mean(0).amin()
    return torch.cat((loudness.quantile(marks) - loudness.mean(), floor[None]))


def _percussive_share(harmonic: Tensor, percussive: Tensor) -> Tensor:
    """Mean and deviation of the level difference of the parts, by band (dB)."""
    difference = _pool_bands(percussive - harmonic, _COARSE_BANDS).flatten(0, 1)
    return torch.cat((difference.mean(0), difference.std(0, correction=0)))


def _contrast(mix: Tensor) -> Tensor:
    """Mean and deviation of the distance from the valleys to the peaks inside each octave-like band (dB)."""
    bands = mix.unflatten(-1, (_CONTRAST_BANDS, MEL_BANDS // _CONTRAST_BANDS))
    ordered = bands.sort(dim=-1).values
    edge = max(1, ordered.shape[-1] // 5)
    contrast = (ordered[..., -edge:].mean(-1) - ordered[..., :edge].mean(-1)).flatten(0, 1)
    return torch.cat((contrast.mean(0), contrast.std(0, correction=0)))


def _modulation(mix: Tensor) -> Tensor:
    """Log strength of the level's movement, by band and modulation frequency (natural log of dB)."""
    envelope = _pool_bands(mix, _MODULATION_BANDS)
    centred = envelope - envelope.mean(dim=1, keepdim=True)
    window = torch.hann_window(centred.shape[1], device=mix.device)[:, None]
    spectrum = torch.fft.rfft(centred * window, dim=1).abs() / centred.shape[1]
    hz = torch.arange(spectrum.shape[1], device=mix.device) * (FRAME_RATE_HZ / centred.shape[1])
    edges = torch.logspace(
        math.log10(_MODULATION_MIN_HZ), math.log10(_MODULATION_MAX_HZ), _MODULATIONS + 1, device=mix.device
    )
    inside = ((hz[:, None] >= edges[:-1]) & (hz[:, None] < edges[1:])).float()
    inside = inside / inside.sum(0).clamp(min=1.0)
    strength = torch.einsum("sfb,fm->bm", spectrum.square(), inside) / len(spectrum)
    return (0.5 * torch.log(strength + 1e-4)).flatten()


def _rhythm(onsets: Tensor, correlation: Tensor) -> Tensor:
    """Periodicity of the onsets at lags of 0.14 to 2.3 s; log of their mean and deviation (dB per frame)."""
    edges = torch.logspace(math.log10(6), math.log10(100), _LAGS + 1).long().tolist()
    lags = torch.stack([correlation[a : max(b, a + 1)].amax() for a, b in pairwise(edges)])
    strength = torch.stack((onsets.mean(), onsets.std(correction=0)))
    return torch.cat((lags, torch.log(strength + 0.01)))


def _harmony(salience: Tensor, profile: Tensor) -> Tensor:
    """Intervals that sound together in any key; how clear, high, wide and restless the notes are."""
    centred = profile - 1 / 12
    intervals = torch.stack([(profile * profile.roll(shift)).sum() for shift in range(1, 7)])
    frames = salience.flatten(0, 1)
    total = frames.sum(-1).clamp(min=1e-6)
    pitch = torch.arange(frames.shape[-1], device=frames.device, dtype=frames.dtype) / 12
    height = (frames * pitch).sum(-1) / total
    spread = ((frames * pitch.square()).sum(-1) / total - height.square()).clamp(min=0.0).sqrt()
    restless = salience.diff(dim=1).abs().sum(-1).mean()
    return torch.cat(
        (
            intervals * 12,
            torch.stack(
                (centred.square().sum().sqrt(), total.mean(), height.mean(), height.std(), spread.mean(), restless)
            ),
        )
    )
