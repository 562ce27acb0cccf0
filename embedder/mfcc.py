"""The baselines of audio likeness: statistics of mel-frequency cepstral coefficients and of spectra, by librosa."""

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
    mfcc = librosa.feature.mfcc(y=_long_enough(pcm), sr=SAMPLE_RATE_HZ, n_mfcc=COEFFICIENTS)
    delta = librosa.feature.delta(mfcc)
    statistics: NDArray[np.float32] = np.concatenate([mfcc.mean(1), mfcc.std(1), delta.std(1)]).astype(np.float32)
    return statistics


def spectral_statistics(pcm: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return means and deviations of contrast (7 bands, dB), chroma (12) and centroid (Hz), shape (40,).

    Source: Jiang et al. 2002, "Music type classification by spectral contrast feature"; librosa's defaults.
    """
    spectrum = np.abs(librosa.stft(_long_enough(pcm)))
    parts = (
        librosa.feature.spectral_contrast(S=spectrum, sr=SAMPLE_RATE_HZ),
        librosa.feature.chroma_stft(S=spectrum**2, sr=SAMPLE_RATE_HZ, tuning=0.0),
        librosa.feature.spectral_centroid(S=spectrum, sr=SAMPLE_RATE_HZ),
    )
    return np.concatenate([np.concatenate((part.mean(1), part.std(1))) for part in parts]).astype(np.float32)


def _long_enough(pcm: NDArray[np.float32]) -> NDArray[np.float32]:
    return pcm if pcm.size >= _SHORTEST else np.pad(pcm, (0, _SHORTEST - pcm.size))
