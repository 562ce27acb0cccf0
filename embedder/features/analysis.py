"""One track in, everything the network and the descriptors need out."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from embedder.features.descriptors import Parts, describe
from embedder.features.geometry import LOUDEST_PEAK, SILENCE_PEAK
from embedder.features.hpss import separate
from embedder.features.logmel import images, mel_level_db
from embedder.features.notes import frame_level, key_profile, pitch_salience
from embedder.features.rhythm import onset_envelope, periodicity, tempo_bpm
from embedder.features.spectrogram import cut_segments, magnitude
from musicrec.errors import BadInput, DeadLetterReason


@dataclass(frozen=True, slots=True)
class TrackFeatures:
    """What is heard in one track."""

    images: Tensor
    """(segments, 3, MEL_BANDS, SEGMENT_FRAMES), 0 to 1."""
    descriptors: Tensor
    """(N_DESCRIPTORS,)"""
    key_profile: Tensor
    """(12,), sums to 1."""
    tempo_bpm: float | None
    silent: bool


def analyse(pcm: NDArray[np.float32], device: torch.device) -> TrackFeatures:
    """Extract all features of one track.

    Args:
        pcm: mono, 22,050 Hz, shape (samples,), full scale ±1, of any length; an empty track counts as silent.
        device: where to compute, and where the tensors of the result lie.

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
    with torch.no_grad():
        return _features(pcm, device, silent=peak < SILENCE_PEAK)


def _features(pcm: NDArray[np.float32], device: torch.device, *, silent: bool) -> TrackFeatures:
    spectrum = magnitude(torch.from_numpy(cut_segments(pcm)).to(device))
    harmonic, percussive = separate(spectrum)
    mix_db, harmonic_db, percussive_db = (mel_level_db(part) for part in (spectrum, harmonic, percussive))
    pictures = images(mix_db, harmonic_db, percussive_db)
    onsets = onset_envelope(pictures[:, 2])
    correlation = periodicity(onsets)
    salience = pitch_salience(harmonic)
    profile = key_profile(salience, frame_level(harmonic))
    parts = Parts(mix_db, harmonic_db, percussive_db, salience, onsets, correlation, profile)
    return TrackFeatures(
        images=pictures,
        descriptors=describe(parts),
        key_profile=torch.full_like(profile, 1 / 12) if silent else profile,
        tempo_bpm=None if silent else tempo_bpm(correlation),
        silent=silent,
    )
