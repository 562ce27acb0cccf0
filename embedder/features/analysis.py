"""One track in, everything the network and the descriptors need out."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedder.features.descriptors import Parts, describe
from embedder.features.geometry import LOUDEST_PEAK, SILENCE_PEAK
from embedder.features.levels import Levels, levels
from embedder.features.logmel import images
from embedder.features.namespace import Array, on_host
from embedder.features.notes import key_profile, pitch_salience
from embedder.features.rhythm import onset_envelope, periodicity, tempo_bpm
from embedder.features.spectrogram import cut_segments
from musicrec.errors import BadInput, DeadLetterReason

MeasureLevels = Callable[[NDArray[np.float32]], Levels]
"""From segments, shape (segments, SEGMENT_SAMPLES), to their levels: `levels`, or `torch_levels` on a device."""


@dataclass(frozen=True, slots=True)
class TrackFeatures:
    """What is heard in one track."""

    images: Array
    """(segments, 3, MEL_BANDS, SEGMENT_FRAMES), 0 to 1; where the levels were measured."""
    descriptors: NDArray[np.float32]
    """(N_DESCRIPTORS,)"""
    key_profile: NDArray[np.float32]
    """(12,), sums to 1."""
    tempo_bpm: float | None
    silent: bool


def analyse(pcm: NDArray[np.float32], measure: MeasureLevels = levels) -> TrackFeatures:
    """Extract all features of one track.

    Args:
        pcm: mono, 22,050 Hz, shape (samples,), full scale ±1, of any length; an empty track counts as silent.
        measure: how, and on which device.

    Raises:
        BadInput: the array is not one-dimensional, or holds NaN, infinity or samples beyond LOUDEST_PEAK.
    """
    if pcm.ndim != 1:
        raise BadInput(f"audio of shape {pcm.shape}: needs one channel, shape (samples,)", DeadLetterReason.UNDECODABLE)
    peak = float(np.abs(pcm).max()) if pcm.size else 0.0
    if not peak <= LOUDEST_PEAK:
        raise BadInput(
            f"audio holds a sample of {peak:g}: full scale is 1; decode it again", DeadLetterReason.UNDECODABLE
        )
    return _features(measure(cut_segments(pcm)), silent=peak < SILENCE_PEAK)


def _features(heard: Levels, *, silent: bool) -> TrackFeatures:
    pictures = images(heard.parts_db)
    onsets = onset_envelope(pictures[:, 2])
    correlation = periodicity(onsets)
    salience = pitch_salience(heard.partials)
    profile = key_profile(salience, heard.harmonic_level)
    parts = Parts(heard.parts_db, salience, onsets, correlation, profile)
    return TrackFeatures(
        images=pictures,
        descriptors=on_host(describe(parts)),
        key_profile=np.full(12, 1 / 12, np.float32) if silent else on_host(profile),
        tempo_bpm=None if silent else tempo_bpm(on_host(correlation)),
        silent=silent,
    )
