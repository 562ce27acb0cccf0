"""Statistics of a whole track that say how it sounds: timbre, texture, dynamics, movement, rhythm, harmony.

They are what thirty years of music retrieval found to work without training, and they stand beside what the network
learned.  Each block is a plain function of mel levels or notes; `BLOCKS` is their order in the vector.

Sources: Logan and Salomon 2001 (MFCC statistics); Pampalk 2006 (fluctuation patterns); Jiang et al. 2002 (spectral
contrast); Seyerlehner et al. 2010 (block-level features).
"""

from functools import cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from embedder.features.geometry import DYNAMIC_RANGE_DB, FRAME_RATE_HZ, MEL_BANDS
from embedder.features.logmel import FLOOR_DB
from embedder.features.namespace import Array, constant, namespace_of
from embedder.features.selection_network import ranking_program, run

COEFFICIENTS = 20
_BANDS = 32
_CORRELATED = 10
_COARSE_BANDS = 8
_CONTRAST_BANDS = 16
_CONTRASTED = MEL_BANDS // _CONTRAST_BANDS
_EDGE = _CONTRASTED // 5
"""Mel bands that make a valley, or a peak."""
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

    parts_db: Array
    """Of mix, harmonic and percussive part, (segments, 3, MEL_BANDS, frames)."""
    salience: Array
    """(segments, pitches, frames)"""
    onsets: Array
    """(segments, frames - 1)"""
    periodicity: Array
    """(frames - 1,)"""
    key_profile: Array
    """(12,)"""


def describe(parts: Parts) -> Array:
    """Return the descriptors of one track, shape (N_DESCRIPTORS,), float32, finite, in the units of each block."""
    xp = namespace_of(parts.parts_db)
    unclipped = parts.parts_db[:, 0]
    floor = max(FLOOR_DB, float(xp.max(unclipped)) - DYNAMIC_RANGE_DB)
    clipped = xp.clip(parts.parts_db, floor, None)
    mix, harmonic, percussive = (clipped[:, part] for part in range(3))
    blocks = (
        _timbre(mix),
        xp.mean(_cepstrum(harmonic)[:, :COEFFICIENTS], axis=(0, 2)),
        xp.mean(_cepstrum(percussive)[:, :COEFFICIENTS], axis=(0, 2)),
        _percussive_share(harmonic, percussive),
        _dynamics(unclipped),
        _contrast(mix),
        _modulation(mix),
        _rhythm(parts.onsets, parts.periodicity),
        _harmony(parts.salience, parts.key_profile),
    )
    return xp.concat(blocks)


def _pool_bands(db: Array, bands: int) -> Array:
    xp = namespace_of(db)
    segments, _, frames = db.shape
    return xp.mean(xp.reshape(db, (segments, bands, MEL_BANDS // bands, frames)), axis=2)


@cache
def _cosines() -> NDArray[np.float32]:
    k, n = np.arange(_BANDS)[:, None], np.arange(_BANDS)
    basis = np.cos(np.pi / _BANDS * (n + 0.5) * k) * np.sqrt(2 / _BANDS)
    basis[0] /= np.sqrt(2)
    cosines: NDArray[np.float32] = basis.astype(np.float32)
    return cosines


def _cepstrum(db: Array) -> Array:
    """Cosine transform of the levels of 32 bands (dB): (segments, 32, frames)."""
    return constant(_cosines(), db) @ _pool_bands(db, _BANDS)


def _over_time(values: Array) -> Array:
    """Lay the segments end to end: (segments, rows, frames) becomes (rows, segments · frames)."""
    xp = namespace_of(values)
    segments, rows, frames = values.shape
    return xp.reshape(xp.permute_dims(values, (1, 0, 2)), (rows, segments * frames))


def _mean_and_deviation(rows: Array) -> Array:
    xp = namespace_of(rows)
    return xp.concat((xp.mean(rows, axis=1), xp.std(rows, axis=1)))


def _timbre(mix: Array) -> Array:
    """Mean, deviation, deviation of the change over two frames, and correlations of the cepstral coefficients (dB)."""
    xp = namespace_of(mix)
    cepstrum = _cepstrum(mix)
    rows = _over_time(cepstrum)
    mean, deviation = xp.mean(rows, axis=1), xp.std(rows, axis=1)
    change = _over_time(cepstrum[:, :COEFFICIENTS, 2:] - cepstrum[:, :COEFFICIENTS, :-2])
    scaled = (rows - mean[:, None])[:_CORRELATED] / xp.clip(deviation[:_CORRELATED], 1e-3, None)[:, None]
    correlation = xp.reshape(scaled @ scaled.T / scaled.shape[1], (-1,))
    above = np.flatnonzero(np.triu(np.ones((_CORRELATED, _CORRELATED)), k=1))
    return xp.concat(
        (mean, deviation[:COEFFICIENTS], xp.std(change, axis=1), xp.take(correlation, constant(above, mix), axis=0))
    )


def _dynamics(mix: Array) -> Array:
    """Quietest, soft, median, loud and loudest frame by the mean (dB), and the level of the quietest band (dB)."""
    xp = namespace_of(mix)
    loudness = xp.reshape(xp.mean(mix, axis=1), (-1,))
    floor = xp.min(xp.mean(mix, axis=(0, 2)))
    return xp.concat((_quantiles(loudness, (0.02, 0.1, 0.5, 0.9, 0.98)) - xp.mean(loudness), floor[None]))


def _quantiles(values: Array, marks: tuple[float, ...]) -> Array:
    """Interpolate between neighbours in order."""
    xp = namespace_of(values)
    ordered = xp.sort(values)
    places = np.array(marks) * (len(values) - 1)
    below = np.floor(places).astype(np.int64)
    share = constant((places - below).astype(np.float32), values)
    low, high = (
        xp.take(ordered, constant(np.minimum(below + step, len(values) - 1), values), axis=0) for step in (0, 1)
    )
    return low + share * (high - low)


def _percussive_share(harmonic: Array, percussive: Array) -> Array:
    """Mean and deviation of the level difference of the parts, by band (dB)."""
    return _mean_and_deviation(_over_time(_pool_bands(percussive - harmonic, _COARSE_BANDS)))


def _contrast(mix: Array) -> Array:
    """Mean and deviation of the distance from the valleys to the peaks inside each octave-like band (dB)."""
    xp = namespace_of(mix)
    segments, _, frames = mix.shape
    bands = xp.reshape(mix, (segments, _CONTRAST_BANDS, _CONTRASTED, frames))
    # A sort along an axis that is not the last would be ten times as slow.
    program = ranking_program(_CONTRASTED, (*range(_EDGE), *range(_CONTRASTED - _EDGE, _CONTRASTED)))
    ordered = run(program, [bands[:, :, i] for i in range(_CONTRASTED)], xp.minimum, xp.maximum)
    return _mean_and_deviation(_over_time((sum(ordered[_EDGE:]) - sum(ordered[:_EDGE])) / _EDGE))


def _modulation(mix: Array) -> Array:
    """Log strength of the level's movement, by band and modulation frequency (natural log of dB)."""
    xp = namespace_of(mix)
    envelope = _pool_bands(mix, _MODULATION_BANDS)
    frames = envelope.shape[-1]
    centred = envelope - xp.mean(envelope, axis=-1, keepdims=True)
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(frames) / frames)).astype(np.float32)
    spectrum = xp.abs(xp.fft.rfft(centred * constant(window, mix))) / frames
    strength = xp.mean(spectrum * spectrum, axis=0) @ constant(_modulation_bands(frames), mix)
    return xp.reshape(0.5 * xp.log(strength + 1e-4), (-1,))


@cache
def _modulation_bands(frames: int) -> NDArray[np.float32]:
    """Return the mean over each range of modulation frequencies as a matrix, (frequencies, _MODULATIONS)."""
    hz = np.arange(frames // 2 + 1) * (FRAME_RATE_HZ / frames)
    edges = np.logspace(np.log10(_MODULATION_MIN_HZ), np.log10(_MODULATION_MAX_HZ), _MODULATIONS + 1)
    inside = (hz[:, None] >= edges[:-1]) & (hz[:, None] < edges[1:])
    means: NDArray[np.float32] = (inside / np.maximum(inside.sum(axis=0), 1)).astype(np.float32)
    return means


def _rhythm(onsets: Array, correlation: Array) -> Array:
    """Periodicity of the onsets at lags of 0.14 to 2.3 s; log of their mean and deviation (dB per frame)."""
    xp = namespace_of(onsets)
    edges = np.logspace(np.log10(6), np.log10(100), _LAGS + 1).astype(np.int64).tolist()
    lags = [xp.max(correlation[a : max(b, a + 1)]) for a, b in pairwise(edges)]
    strength = [xp.log(value + 0.01) for value in (xp.mean(onsets), xp.std(onsets))]
    return xp.stack([*lags, *strength])


def _harmony(salience: Array, profile: Array) -> Array:
    """Intervals that sound together in any key; how clear, high, wide and restless the notes are."""
    xp = namespace_of(salience)
    centred = profile - 1 / 12
    intervals = [12 * xp.sum(profile * xp.roll(profile, shift)) for shift in range(1, 7)]
    pitches = _over_time(salience)
    total = xp.clip(xp.sum(pitches, axis=0), 1e-6, None)
    octaves = constant((np.arange(pitches.shape[0]) / 12).astype(np.float32), salience)
    height = octaves @ pitches / total
    spread = xp.sqrt(xp.clip((octaves * octaves) @ pitches / total - height * height, 0.0, None))
    restless = xp.mean(xp.sum(xp.abs(salience[..., 1:] - salience[..., :-1]), axis=1))
    return xp.stack(
        [
            *intervals,
            xp.sqrt(xp.sum(centred * centred)),
            xp.mean(total),
            xp.mean(height),
            xp.std(height, correction=1),
            xp.mean(spread),
            restless,
        ]
    )
