"""The baseline of audio likeness: statistics of mel-frequency cepstral coefficients, by librosa."""

import librosa
import numpy as np
from numpy.typing import NDArray

from embedder.features.geometry import FFT_SIZE, SAMPLE_RATE_HZ

COEFFICIENTS = 20
_SHORTEST = 9 * 512 + FFT_SIZE
"""Samples that give librosa's nine-frame delta something to fit."""


def mfcc_statistics(pcm: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return means, deviations and deviations of the deltas of 20 MFCC, shape (60,), for mono samples at 22,050 Hz.

    Source: Logan and Salomon 2001, "A music similarity function based on signal analysis", in its common short form.
    """
    if pcm.size < _SHORTEST:
        pcm = np.pad(pcm, (0, _SHORTEST - pcm.size))
    mfcc = librosa.feature.mfcc(y=pcm, sr=SAMPLE_RATE_HZ, n_mfcc=COEFFICIENTS)
    delta = librosa.feature.delta(mfcc)
    statistics: NDArray[np.float32] = np.concatenate([mfcc.mean(1), mfcc.std(1), delta.std(1)]).astype(np.float32)
    return statistics
